import json
from collections.abc import Iterator

import pytest

from commandline.finding import Finding, print_findings


def test_each_finding_is_printed_before_the_next_check(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []

    def found() -> Iterator[Finding]:
        yield Finding("disk", "ok", "all is well")
        printed.append(capsys.readouterr().out)
        yield Finding("session length", "warn", "a\x1b[31mline\n", "look\x07 here")
        printed.append(capsys.readouterr().out)

    assert print_findings(found(), as_json=False) == 0
    assert printed == [
        "ok    disk             all is well\n",
        "warn  session length   a?[31mline?\n" + " " * 23 + "→ look? here\n",
    ]


def test_lines_of_a_terminal_break_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    command = "/bin/python -m pip"
    print_findings([Finding("disk", "warn", "there is little room left", command)], as_json=False)
    indent = " " * 23
    assert capsys.readouterr().out.splitlines() == [
        "warn  disk             there is little",
        f"{indent}room left",
        f"{indent}→ /bin/python -m",
        f"{indent}  pip",
    ]


def test_a_failed_check_is_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Finding("disk", "fail", "full", "free some"), Finding("clock", "ok", "right")]
    assert print_findings(found, as_json=False) == 1
    capsys.readouterr()
    assert print_findings(found, as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"about": "disk", "level": "fail", "what": "full", "advice": "free some"},
        {"about": "clock", "level": "ok", "what": "right", "advice": ""},
    ]
