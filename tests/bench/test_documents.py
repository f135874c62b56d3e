"""Documents and docstrings name benchmarks and options that exist."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bench.__main__ import commands

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
NAMED = re.compile(r"(?:python -m |`)bench\.([a-z0-9_]+(?:\.[a-z0-9_]+)*)((?:[^`\n]|\\\n)*)")
COMMANDS = [name for name, _ in commands()]


def documents() -> Iterator[Path]:
    yield from (ROOT / "Makefile", *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    for package in ("agent", "bench", "collector", "contract", "demo", "export", "tests"):
        yield from (ROOT / package).rglob("*.py")


def named() -> Iterator[tuple[Path, str, list[str]]]:
    """Each mention: the file, the module of bench, and the options after it."""
    for path in sorted(documents()):
        for module, rest in NAMED.findall(path.read_text(encoding="utf-8")):
            yield path, module, re.findall(r"(?<=\s)--[a-z-]+", rest)


def test_what_is_named_exists() -> None:
    mentions = list(named())
    assert {name for _, name, _ in mentions} >= set(COMMANDS)
    modules = {".".join(path.relative_to(BENCH).with_suffix("").parts) for path in BENCH.rglob("*.py")}
    assert not {(str(path.relative_to(ROOT)), name) for path, name, _ in mentions if name not in modules}


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_are_named_exist(name: str) -> None:
    main = importlib.import_module(f"bench.{name}").main
    assert isinstance(main, click.Command)
    known = {option for parameter in main.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = {
        (str(path.relative_to(ROOT)), option)
        for path, module, options in named()
        for option in options
        if module == name and option not in known | {"--help"}
    }
    assert not unknown
