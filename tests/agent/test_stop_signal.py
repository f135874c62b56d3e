"""A signal to end is never lost: not between two users of signals, and not when a program replaces itself."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from agent.stop_signal import Stop, signals_held_back
from tests.agent.conftest import ROOT

SIGNALS = [signal.SIGTERM, signal.SIGINT]
REPLACED = """
import os, signal, sys, threading, time
from agent.stop_signal import Stop, signals_held_back
SECOND = '''
from agent.stop_signal import Stop
with Stop() as stop:
    print("asked" if stop.asked else "lost")
'''
number, taker = int(sys.argv[1]), threading.main_thread()
if sys.argv[2] == "another thread":
    taker = threading.Thread(target=time.sleep, args=(30,), daemon=True)
    taker.start()
with Stop() as stop, signals_held_back():
    signal.pthread_kill(taker.ident, number)
    while number not in signal.sigpending():
        time.sleep(0.001)
    assert not stop.asked
    os.execv(sys.executable, [sys.executable, "-c", SECOND])
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_of_all_that_are_open(number: signal.Signals) -> None:
    """The inner one may have been looked at for the last time."""
    before = signal.getsignal(number)
    with Stop() as outer:
        with Stop() as inner:
            os.kill(os.getpid(), number)
            assert inner.asked
        assert outer.asked
        assert signal.getsignal(number) == before, "a second one has its default effect"


def test_what_comes_after_the_inner_one_is_of_the_outer_one() -> None:
    with Stop() as outer:
        with Stop():
            assert not outer.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert outer.asked


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_held_back_comes_at_the_end(number: signal.Signals) -> None:
    with Stop() as stop:
        with signals_held_back():
            signal.raise_signal(number)
            assert not stop.asked
        assert stop.asked


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_another_thread_takes_is_held_back(number: signal.Signals) -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with Stop() as stop:
            with signals_held_back():
                assert other.ident is not None
                signal.pthread_kill(other.ident, number)
                while number not in signal.sigpending():  # until it has been handed on
                    time.sleep(0.001)
                assert not stop.asked
            assert stop.asked
    finally:
        done.set()
        other.join()


@pytest.mark.parametrize("taker", ["the main thread", "another thread"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_comes_while_a_program_replaces_itself_reaches_the_new_one(
    number: signal.Signals, taker: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REPLACED, str(int(number)), taker],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("asked\n", 0), ended.stderr
