"""Three bundles that one command measures."""

import json
import shutil
from pathlib import Path

import pytest

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.planning.plan import Load, Plan, plan_run, read_questions, settings_for
from agent.planning.rounds import with_possible_rounds


@pytest.fixture(scope="module")
def three_bundles(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three bundles that differ in nothing but their names."""
    folders = []
    for name in ("one", "two", "three"):
        folder = tmp_path_factory.mktemp("bundles") / name
        shutil.copytree(tiny_bundle, folder)
        manifest = folder / "manifest.json"
        fields = {**json.loads(manifest.read_text()), "model": name, "title": name.title()}
        manifest.write_text(json.dumps(fields, separators=(",", ":")))
        folders.append(folder)
    return folders


@pytest.fixture
def plans(three_bundles: list[Path], questions: Path) -> list[Plan]:
    device, file = inspect_device("device"), read_questions(questions)
    found = []
    for folder in three_bundles:
        bundle = describe(folder)
        settings = settings_for(bundle, warmup=3, load=Load(rounds=5), threads=1)
        found.append(plan_run(device, bundle, file, settings))
    return with_possible_rounds(found)
