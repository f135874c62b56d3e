"""The documents say what the code does."""

import json
from pathlib import Path

import pytest

from contract.topics import parse_topic
from docs.generate import pages

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", sorted(pages()), ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_pages_are_current(path: Path) -> None:
    assert path.read_text() == pages()[path], "run: python -m docs.generate"


def test_the_asyncapi_document_refers_to_what_is_there() -> None:
    text = (ROOT / "docs" / "asyncapi.yaml").read_text()
    document = json.loads(text.partition("\n")[2])
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
    for name, message in document["components"]["messages"].items():
        schema = json.loads((ROOT / "docs" / message["payload"]["$ref"]).read_text())
        assert schema["$ref"].lower() == f"#/$defs/{name}"
    for channel in document["channels"].values():
        assert parse_topic(channel["address"].replace("{deviceId}", "pi-5")).device_id == "pi-5"
