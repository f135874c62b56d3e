"""pip as a process that the end of the hub ends."""

import threading
import time

import pytest

from collector.hub.wheels import pip as module
from collector.hub.wheels.pip import NoWheel, Pip


def test_a_failure_is_the_last_error_of_pip() -> None:
    with pytest.raises(NoWheel, match=r"the hub cannot build it: .*nowhere"):
        Pip().run("build it", "wheel", "--no-index", "./nowhere-0.1-py3-none-any.whl")


def test_the_end_of_the_hub_ends_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAM", ("-c", "import time; time.sleep(600)"))
    pip, failures = Pip(), list[str]()

    def collect() -> None:
        try:
            pip.run("collect it")
        except NoWheel as error:
            failures.append(str(error))

    collecting = threading.Thread(target=collect)
    collecting.start()
    begun = time.monotonic()
    while not pip._running:
        time.sleep(0.01)
    pip.stop()
    collecting.join(20)
    assert time.monotonic() - begun < 20
    assert failures == ["the hub cannot collect it: pip says nothing"]
    with pytest.raises(NoWheel, match="the hub cannot collect more: the hub stops"):
        pip.run("collect more")


def test_without_pip_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(NoWheel, match=r"has no pip: run .* -m ensurepip, or use collector hub --wheels"):
        Pip().run("collect it")
