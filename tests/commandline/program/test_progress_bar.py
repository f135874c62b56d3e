import io
import re
import sys
import time

import pytest

from commandline.program import messages, progress_bar
from commandline.program.progress_bar import progress_bars


class Stream(io.StringIO):
    """Standard error, as a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def seen(seconds: float, patience: float, *, terminal: bool = True) -> str:
    """What standard error gets to see of work that takes some seconds, or until it has shown a bar."""
    stream = Stream(terminal=terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.setattr(progress_bar, "PATIENCE_SECONDS", patience)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "80")
        with progress_bars() as show:
            show("first stage", 1, 2)
            until = time.monotonic() + seconds
            while time.monotonic() < until and "first stage" not in stream.getvalue():
                time.sleep(0.01)
                show("first stage", 2, 4)
            show("second stage", 1, 4)
    return stream.getvalue()


def test_long_work_shows_its_stages_and_the_time_left() -> None:
    text = seen(20.0, 0.0)
    assert re.search(r"first stage  \[#+-+\]   50%", text)
    assert re.search(r"second stage  \[#+-+\]   25%", text)
    assert text.endswith("\r\x1b[K"), "nothing of it stays"


def test_a_stage_of_unknown_length_is_named_at_once() -> None:
    stream = Stream(terminal=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with progress_bars() as show:
            show("loading", 0, None)
            assert stream.getvalue() == "loading …"
    assert stream.getvalue().endswith("\r\x1b[K")


def test_short_work_shows_nothing() -> None:
    assert seen(0.0, 5.0) == ""


def test_only_a_terminal_shows_a_bar() -> None:
    assert seen(0.1, 0.0, terminal=False) == ""


def test_quiet_programs_draw_nothing() -> None:
    messages.configure(quiet=True)
    try:
        assert seen(0.1, 0.0) == ""
    finally:
        messages.configure()
