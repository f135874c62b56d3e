"""The documents say what the code does."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from contract.topics import parse_topic
from docs.command_pages import PROGRAMS, STATUSES, commands_of, with_parts
from docs.generate import pages
from tests import installed

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
        kind = {"orders": "sealedorders"}.get(name, name)
        assert schema["$ref"].lower() == f"#/$defs/{kind}"
    for channel in document["channels"].values():
        assert parse_topic(channel["address"].replace("{deviceId}", "pi-5")).device_id == "pi-5"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_manual_page_is_right_for_groff_and_complete(name: str) -> None:
    page = ROOT / "docs" / "man" / f"{name}.1"
    groff = [installed.program("groff"), "-man", "-ww", "-rLL=100n", "-Tascii", str(page)]
    done = subprocess.run(groff, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    seen = " ".join(re.sub(r".\x08", "", done.stdout).split())
    for place in commands_of(name, PROGRAMS[name]):
        assert place.name in seen
    for status, meaning in STATUSES:
        assert f" {status} {meaning.replace('`', '')[:30]}" in seen


def test_every_command_is_on_the_page_of_its_program() -> None:
    for name, program in PROGRAMS.items():
        page = (ROOT / "docs" / "commands" / f"{name}.md").read_text().split("\n")
        for place in commands_of(name, program):
            assert f"## {place.name}" in page


def test_links_between_the_pages_about_commands_lead_to_headings() -> None:
    folder = ROOT / "docs"
    for page in (folder / "commands.md", *(folder / "commands").iterdir()):
        links = re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text())
        assert links
        for path, anchor in links:
            target = (page.parent / path).resolve() if path else page
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            if anchor:
                assert anchor in {
                    re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings
                }


def test_every_variable_that_a_program_reads_is_documented() -> None:
    read = set()
    for package in ("agent", "collector", "commandline", "contract", "export"):
        for path in (ROOT / package).rglob("*.py"):
            read |= set(
                re.findall(r'(?:environ\w*(?:\.get\(|\[)|user_folder\()"([A-Z_]+)"', path.read_text())
            )
    assert {"XDG_STATE_HOME", "NO_COLOR", "NOTIFY_SOCKET"} <= read
    page = (ROOT / "docs" / "commands.md").read_text()
    assert not [name for name in read if f"`{name}`" not in page]


def test_exit_statuses_are_in_order_and_unique() -> None:
    numbers = [int(status) for status, _ in STATUSES]
    assert numbers == sorted(set(numbers))


def test_a_page_without_a_part_to_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="'index' 0 times"):
        with_parts("# A page\n", {"index": "text"})
    assert with_parts("<!-- generated: index -->\nold\n<!-- end -->\n", {"index": "new\n"}) == (
        "<!-- generated: index -->\n\nnew\n\n<!-- end -->\n"
    )
