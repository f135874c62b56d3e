"""The import rules of the architecture, read from the source: who may import whom, and one importer each."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ("agent", "collector", "export")
OURS = (*PROGRAMS, "commandline", "contract", "demo", "bench", "tests")
BASE_INSTALL = {"click", "msgspec", "numpy", "onnxruntime", "paho", "tokenizers"}
HEAVY = ("torch", "transformers", "optimum", "datasets", "sqlite_utils", "bert_score", "pandas", "matplotlib")

ONE_IMPORTER = {
    ("agent", "onnxruntime"): {"agent/reading/model.py"},
    ("agent", "paho"): {"agent/delivery/uplink.py"},
    ("agent", "mlperf_loadgen"): {"agent/worker/loadgen.py"},
    ("collector", "paho"): {"collector/broker/client.py"},
    ("collector", "sqlite_utils"): {"collector/store/database.py", "collector/store/migrations.py"},
    ("collector", "bert_score"): {"collector/scoring/bertscore.py"},
}


class Import(NamedTuple):
    path: str
    package: str
    at_module_level: bool


def imports(package: str) -> Iterator[Import]:
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        lazy = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(node)
        }
        typing_only = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in typing_only:
                continue
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [node.module or ""]
            for name in names:
                yield Import(path.relative_to(ROOT).as_posix(), name.split(".")[0], node not in lazy)


def third_party(package: str) -> set[str]:
    return {i.package for i in imports(package)} - set(sys.stdlib_module_names) - set(OURS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_imports_what_is_shared_and_no_other_program(program: str) -> None:
    assert {i.package for i in imports(program)} & set(OURS) <= {program, "commandline", "contract"}


def test_the_command_lines_share_click_and_the_contract() -> None:
    assert third_party("commandline") == {"click"}
    assert {i.package for i in imports("commandline")} & set(OURS) == {"commandline", "contract"}


def test_the_contract_imports_msgspec_and_nothing_else() -> None:
    assert third_party("contract") == {"msgspec"}
    assert {i.package for i in imports("contract")} & set(OURS) == {"contract"}


def test_the_agent_imports_the_base_install_only() -> None:
    assert third_party("agent") - {"mlperf_loadgen"} <= BASE_INSTALL
    # An extra is imported by the function that needs it.
    assert not any(i.at_module_level for i in imports("agent") if i.package == "mlperf_loadgen")


@pytest.mark.parametrize(("package", "library"), sorted(ONE_IMPORTER))
def test_one_importer_each(package: str, library: str) -> None:
    assert {i.path for i in imports(package) if i.package == library} == ONE_IMPORTER[package, library]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_command_line_starts_without_heavy_libraries(program: str) -> None:
    script = f"import sys, {program}.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {name for name in loaded.stdout.split() if name.split(".")[0] in HEAVY}


def test_bert_score_is_imported_when_used() -> None:
    assert not [i for i in imports("collector") if i.package == "bert_score" and i.at_module_level]
