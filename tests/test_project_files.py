"""The files for forges and package indexes agree with the project. They are read here, not run."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from commandline.program.installation import TORCH_INDEX
from demo.torch_index import CPU_INDEX

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def read(name: str) -> dict[Any, Any]:
    found = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture
def workflow() -> dict[Any, Any]:
    return read(".github/workflows/test.yaml")


def test_the_workflow_runs_both_commands_on_every_promised_python(
    workflow: dict[Any, Any],
) -> None:
    job = workflow["jobs"]["test"]
    promised = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert job["strategy"]["matrix"]["python"] == promised
    assert len(job["strategy"]["matrix"]["machine"]) == 2, "x86-64 and aarch64"
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert {"make test", "make demo"} <= set(commands)
    for target in ("test", "demo"):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_the_workflow_builds_wheel_and_image_and_may_write_nothing(workflow: dict[Any, Any]) -> None:
    commands = "\n".join(step.get("run", "") for step in workflow["jobs"]["packages"]["steps"])
    assert "python -m build" in commands
    (containerfile,) = re.findall(r"--file (\S+)", commands)
    assert (ROOT / containerfile).is_file()
    assert workflow["permissions"] == {"contents": "read"}


def test_pre_commit_runs_what_make_check_runs() -> None:
    hooks = read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    (recipe,) = re.findall(r"^check: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    made = [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in recipe.splitlines()]
    assert [hook["entry"].replace(" --force-exclude", "") for hook in hooks] == made


def test_the_citation_is_of_this_version() -> None:
    citation = read("CITATION.cff")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_links_of_the_security_page_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "SECURITY.md").read_text())
    assert links
    assert all((ROOT / link).is_file() for link in links)


def test_both_places_name_one_index_for_torch() -> None:
    assert TORCH_INDEX == CPU_INDEX
