"""The rules of the house, read from the source: who may import whom, and how large a folder may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
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
    ("collector", "paho"): {f"collector/broker/{name}.py" for name in ("client", "subscriber", "watcher")},
    ("collector", "sqlite_utils"): {"collector/store/sqlite/library.py"},
    ("commandline", "paho"): {"commandline/mqtt_client.py"},
    ("collector", "distributed"): {"collector/workers/cluster.py"},
    ("collector", "bert_score"): {"collector/scoring/bertscore.py"},
}

WINGS = {
    "agent": (
        *("__main__", "cli", "commands", "doctor", "serving", "orders", "running", "planning", "stopping"),
        *("worker", "delivery", "reading", "outbox", "machine", "bundles"),
        *("systemd_notify", "progress", "stop_signal", "errors"),
    ),
    "collector": (
        *(
            "__main__",
            "cli",
            "commands",
            "frames",
            "hub",
            "serving",
            "orders",
            "report",
            "display",
            "regression",
            "comparison",
            "comparison_inputs",
            "intake",
        ),
        *("summaries", "scoring", "doctor", "workers", "store", "broker", "statistics", "findings", "errors"),
    ),
    "export": (
        *("__main__", "cli", "commands", "building", "recipes", "distillation", "quantisation", "suggestion"),
        *("questions", "graph", "models", "answering", "toolchain", "quiet_libraries", "errors"),
    ),
    "collector.report": (
        "formats",
        "papers",
        "layout",
        "chapters",
        "charts",
        "columns",
        "definitions",
        "names",
        "page",
        "shared_labels",
    ),
}
"""The modules and folders directly in a package, from top to bottom: each imports only those after it."""

MOST_MODULES = {"agent/running": 11, "collector/comparison": 11}
"""In a folder, beside its `__init__.py`; fifteen in every other."""


class Import(NamedTuple):
    path: str
    module: str
    at_module_level: bool

    @property
    def package(self) -> str:
        return self.module.split(".")[0]


def imports(package: str, *, with_types: bool = False) -> tuple[Import, ...]:
    return _imports(package, with_types)


@cache
def _imports(package: str, with_types: bool) -> tuple[Import, ...]:
    return tuple(_read_imports(package, with_types))


def _read_imports(package: str, with_types: bool) -> Iterator[Import]:
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
            if node in typing_only and not with_types:
                continue
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                yield Import(path.relative_to(ROOT).as_posix(), name, node not in lazy)


def third_party(package: str) -> set[str]:
    return {i.package for i in imports(package)} - set(sys.stdlib_module_names) - set(OURS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_imports_what_is_shared_and_no_other_program(program: str) -> None:
    assert {i.package for i in imports(program)} & set(OURS) <= {program, "commandline", "contract"}


def test_the_programs_share_click_paho_and_the_contract() -> None:
    assert third_party("commandline") == {"click", "paho"}
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


def test_a_comparison_reads_no_database() -> None:
    """What is compared was gathered before; only the two entries hand a database to the gathering."""
    readers = {
        f"{path.name} {name.name}"
        for wing in ("comparison", "regression")
        for path in sorted((ROOT / "collector" / wing).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for name in node.names
        if node.module.startswith("collector.store")
        or node.module in {"collector.summaries.run_summary", "collector.comparison_inputs.answers"}
    }
    values = {"run_notes.py Run", "regression.py Run", "compare.py Where"}
    values |= {"compare.py open_store", "compare.py open_store_to_read"}
    assert readers - values == {"compare.py Store", "regression.py Store"}


def wing_of(package: str, module: str) -> str:
    """The part of a package that a module is in: `running` of `agent.running.run`; else empty."""
    rest = module.removeprefix(f"{package}.")
    return "" if rest == module else rest.split(".")[0]


@pytest.mark.parametrize("package", WINGS)
def test_a_wing_imports_only_the_wings_below_it(package: str) -> None:
    depths = {wing: depth for depth, wing in enumerate(WINGS[package])}
    upwards = []
    for found in imports(package.replace(".", "/"), with_types=True):
        importer = wing_of(package, found.path.removesuffix(".py").replace("/", "."))
        imported = wing_of(package, found.module)
        if imported and depths[importer] > depths[imported]:
            upwards.append(f"{found.path} imports {found.module}")
    assert upwards == []


@pytest.mark.parametrize("package", WINGS)
def test_every_wing_has_its_place_in_the_order(package: str) -> None:
    here = ROOT / package.replace(".", "/")
    modules = {path.stem for path in here.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in here.glob("*/__init__.py")}
    assert modules | folders == set(WINGS[package])


def folders_with_modules(*packages: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            found.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append(path)
    return found


def test_a_folder_holds_at_most_fifteen_modules() -> None:
    modules = folders_with_modules(*PROGRAMS, "commandline", "contract")
    sizes = {folder: len([p for p in paths if p.name != "__init__.py"]) for folder, paths in modules.items()}
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES.get(folder, 15)} == {}
    assert set(MOST_MODULES) <= set(sizes)


def test_every_folder_says_in_a_sentence_what_it_is() -> None:
    folders = folders_with_modules(*PROGRAMS, "commandline", "contract", "demo", "bench")
    starts = {folder: ROOT / folder / "__init__.py" for folder in folders}
    silent = [
        folder
        for folder, start in starts.items()
        if not start.exists() or not ast.get_docstring(ast.parse(start.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_folders_of_tests_are_those_of_the_program(program: str) -> None:
    tested = {path.parent.name for path in (ROOT / "tests" / program).glob("*/test_*.py")}
    assert tested <= {path.parent.name for path in (ROOT / program).glob("*/__init__.py")}


def classes(package: str) -> list[tuple[str, str]]:
    """Every class of a package with the file that it is in."""
    return [
        (node.name, path.relative_to(ROOT).as_posix())
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]


@pytest.mark.parametrize("package", [*PROGRAMS, "commandline", "contract"])
def test_a_class_name_means_one_thing(package: str) -> None:
    """Within a program, and besides the names of the packages that every program imports."""
    shared = [pair for other in ("contract", "commandline") if other != package for pair in classes(other)]
    if package == "contract":
        shared = []
    places: dict[str, list[str]] = {}
    for name, path in (*classes(package), *shared):
        places.setdefault(name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_process_imports_from_the_current_folder() -> None:
    """F23: where a user starts a command, a file may be named like a library."""
    only_printed = ROOT / "commandline" / "program" / "installation.py"
    started = [
        (path, ast.unparse(node.elts[1]))
        for program in (*PROGRAMS, "commandline", "contract")
        for path in (ROOT / program).rglob("*.py")
        if path != only_printed
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.List | ast.Tuple)
        and node.elts
        and ast.unparse(node.elts[0]) == "sys.executable"
    ]
    assert len(started) >= 3
    assert {option for _, option in started} == {"'-P'"}, started
