"""Orders from a real hub to a real `agent serve`: carried out once, whatever happens in between."""

import json
import os
import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from agent.orders.book import BOOK_FILE
from agent.serving.serve import WAITS
from contract.orders.sealed import new_order_secret
from tests import installed
from tests.agent.orders.dispatcher import DEVICE, Dispatcher, order_of, records_of, runs_of
from tests.agent.serving.test_serve import MAX_RESIDENT_KB, Serving
from tests.canary import made
from tests.collector.hub.running_hub import RunningHub, files_in
from tests.collector.hub.wheels.fake_wheels import wheel_folder

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

SECONDS = 120.0
LONG: dict[str, Any] = {"min_seconds": 6.0, "min_queries": 400, "rounds": 1}
"""A run that is still going on when something happens to it: it takes long on a fast machine, and many chunks
on a slow one."""


class Lab(NamedTuple):
    """A hub, and the configuration of a device that has joined it."""

    hub: RunningHub
    config: Path
    secret: str
    """The device's secret for orders, which this hub does not know, so that it sends no list of its own."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path, tiny_bundle_int8: Path) -> Iterator[Lab]:
    installed.module("cryptography")
    folder = tmp_path_factory.mktemp("lab")
    for bundle, name in ((tiny_bundle, "tiny-fp32"), (tiny_bundle_int8, "tiny-int8")):
        shutil.copytree(bundle, folder / "hub" / "bundles" / name)
    paragraphs = [
        {
            "context": f"Ann sang {number} songs.",
            "qas": [
                {
                    "id": str(number),
                    "question": "Who sang?",
                    "answers": [{"text": "Ann", "answer_start": 0}],
                }
            ],
        }
        for number in range(40)
    ]
    (folder / "songs.json").write_text(json.dumps({"data": [{"title": "s", "paragraphs": paragraphs}]}))
    shared = ("--questions", folder / "songs.json")
    wheels = ("--wheels", wheel_folder(folder / "wheelhouse"))
    with RunningHub(folder / "hub", *shared, *wheels) as hub:
        given = files_in(hub.join(hub.new_pass(DEVICE), DEVICE))
        made(given["password"].strip())
        secret = made(given["order-secret"].strip())
        with closing(sqlite3.connect(folder / "hub" / "register.db")) as register, register:
            register.execute("DELETE FROM order_secrets")
        settings = folder / "settings"
        settings.mkdir()
        for name, text in given.items():
            (settings / name).write_text(text)
        for name in ("password", "order-secret"):
            (settings / name).chmod(0o600)
        yield Lab(hub, settings / "agent.toml", secret)


@pytest.fixture
def dispatcher(lab: Lab) -> Iterator[Dispatcher]:
    with Dispatcher(lab.hub, lab.secret) as connected:
        yield connected
        connected.publish(b"")  # the next test begins without orders


@contextmanager
def board(lab: Lab, state_dir: Path) -> Iterator[Serving]:
    started = Serving(state_dir, "--config", lab.config)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait(SECONDS)


def ended_runs(state_dir: Path) -> list[str]:
    """How each run ended, in the order of their starts."""
    found = []
    for run_id, _, _ in runs_of(state_dir / "outbox.db"):
        last = records_of(state_dir / "outbox.db", run_id)[-1]
        found.append(last["status"] if last["type"] == "run_finished" else "open")
    return found


def wait_for_answers(state_dir: Path, number: int) -> None:
    """Wait until the run with this number, from 1, has asked questions."""
    deadline = time.monotonic() + SECONDS
    while True:
        with suppress(sqlite3.OperationalError):  # there is no outbox yet
            runs = runs_of(state_dir / "outbox.db")
            if len(runs) >= number and runs[number - 1][2] > 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def orders_of_runs(state_dir: Path) -> set[str | None]:
    outbox = state_dir / "outbox.db"
    return {records_of(outbox, run_id)[0].get("order") for run_id, _, _ in runs_of(outbox)}


def test_an_order_is_fetched_measured_in_rounds_and_delivered(
    lab: Lab, state_dir: Path, dispatcher: Dispatcher
) -> None:
    order = order_of(lab.hub, "tiny-fp32", "tiny-int8", rounds=2, rounds_of_all=2, canary=("3",))
    dispatcher.order(order)  # the device is away, and gets it when it comes
    with board(lab, state_dir) as waiting:
        last = dispatcher.wait_for(order, "done")
        assert (last.measured, last.failed) == (order.measured, 0) == (4, 0)
        told = [phase for phase in dispatcher.phases(order) if phase in {"fetching", "measuring", "done"}]
        assert [phase for phase, _ in groupby(told)] == ["fetching", "measuring", "done"]
        seen = [each for state in dispatcher.states for each in state.orders if each.phase == "measuring"]
        assert {each.round for each in seen} >= {1, 2} and {each.rounds for each in seen} >= {2}
        assert ended_runs(state_dir) == ["complete"] * 4
        assert orders_of_runs(state_dir) == {order.id}
        first = records_of(state_dir / "outbox.db", runs_of(state_dir / "outbox.db")[0][0])
        assert [record["question_id"] for record in first if record["type"] == "canary"] == ["3"]

        # It has given its memory back, in the same process, and knows what it has done.
        waiting.wait_for(f"all is measured\nconnected to mqtts://127.0.0.1:{lab.hub.mqtt_port}")
        assert waiting.process.poll() is None
        status = Path(f"/proc/{waiting.process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert resident is not None and int(resident[1]) <= MAX_RESIDENT_KB
        dispatcher.forget()
        second = order_of(lab.hub, "tiny-int8", rounds=1)
        dispatcher.order(order, second)
        dispatcher.wait_for(second, "done")
        assert len(runs_of(state_dir / "outbox.db")) == 5, "the first is not repeated"
        assert waiting.end() == 0


def test_an_interrupted_order_continues_and_nothing_is_repeated(
    lab: Lab, state_dir: Path, dispatcher: Dispatcher
) -> None:
    order = order_of(lab.hub, "tiny-int8", rounds_of_all=2, **LONG)
    dispatcher.order(order)
    with board(lab, state_dir) as first:
        wait_for_answers(state_dir, 1)
        first.end(signal.SIGKILL)
    (run,) = runs_of(state_dir / "outbox.db")
    assert not run[1] and run[2] > 0
    with board(lab, state_dir) as again:
        wait_for_answers(state_dir, 2)
        assert again.end(signal.SIGTERM) == 0
    with board(lab, state_dir):
        last = dispatcher.wait_for(order, "done")
    assert (last.measured, last.failed) == (2, 0)
    assert ended_runs(state_dir) == ["complete", "complete"]
    for run_id, _, asked in runs_of(state_dir / "outbox.db"):
        whole = records_of(state_dir / "outbox.db", run_id)
        kinds = [record["type"] for record in whole]
        assert [record["seq"] for record in whole] == list(range(len(whole)))
        assert (kinds.count("run_started"), kinds.count("run_resumed"), kinds.count("run_finished")) == (
            1,
            1,
            1,
        )
        assert kinds.count("answer") == asked


def test_a_broker_that_is_away_delays_results_and_nothing_else(
    lab: Lab, state_dir: Path, dispatcher: Dispatcher
) -> None:
    order = order_of(lab.hub, "tiny-int8", **LONG)
    dispatcher.order(order)
    with board(lab, state_dir) as waiting:
        wait_for_answers(state_dir, 1)
        pid = lab.hub.children()["mosquitto"]
        os.kill(pid, signal.SIGKILL)  # its store is lost, and the hub starts it again
        deadline = time.monotonic() + SECONDS
        while lab.hub.children().get("mosquitto") in (None, pid):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        dispatcher.order(order)  # the same order under a higher revision
        dispatcher.wait_for(order, "done")
        assert waiting.process.poll() is None
    assert ended_runs(state_dir) == ["complete"]


def test_orders_wait_replace_and_are_cancelled(lab: Lab, state_dir: Path, dispatcher: Dispatcher) -> None:
    first = order_of(lab.hub, "tiny-int8", **(LONG | {"min_seconds": 90.0}))
    second = order_of(lab.hub, "tiny-fp32", rounds=1)
    urgent = order_of(lab.hub, "tiny-fp32", rounds=1, now=True, seed=1)
    dispatcher.order(first, second)
    with board(lab, state_dir):
        wait_for_answers(state_dir, 1)
        dispatcher.wait_for(second, "waiting")
        dispatcher.order(first, second, urgent)
        dispatcher.wait_for(urgent, "done")  # the first one is measured again, and its results wait
        interrupted = dispatcher.progress(first)
        assert interrupted is not None and interrupted.measured == 0
        dispatcher.forget()
        dispatcher.wait_until(
            lambda state: any(each.id == first.id and each.phase == "measuring" for each in state.orders)
        )
        dispatcher.order(replace(first, cancelled=True), second)
        dispatcher.wait_for(first, "cancelled")
        dispatcher.wait_for(second, "done")
    # The first one did not measure to its end.
    assert sorted(ended_runs(state_dir)) == ["complete", "complete", "interrupted"]


def test_what_does_not_fit_is_refused_and_forgeries_do_nothing(
    lab: Lab, state_dir: Path, dispatcher: Dispatcher
) -> None:
    good = order_of(lab.hub, "tiny-int8", rounds=1, limit=5)
    unknown = replace(
        order_of(lab.hub, "tiny-int8"),
        bundles={"tiny-int9": "ab" * 32},
        runs=(replace(good.runs[0], bundles=("tiny-int9",)),),
    )
    changed = replace(order_of(lab.hub, "tiny-int8"), bundles={"tiny-int8": "ab" * 32})
    other_questions = replace(order_of(lab.hub, "tiny-int8"), questions={"songs.json": "ab" * 32})
    no_such_core = order_of(lab.hub, "tiny-int8", affinity="999")
    with board(lab, state_dir) as waiting:
        waiting.wait_for(WAITS)
        forged = dispatcher.order(good, revision=1000, secret=new_order_secret())
        waiting.wait_for("orders are ignored: orders came that the collector of this device has not sealed")
        dispatcher.publish(forged.replace(b'"revision":1000', b'"revision":1001'))
        dispatcher.publish(b'{"type":"orders"}')
        for order, reason in (
            (unknown, "the hub has no bundles named 'tiny-int9'"),
            (changed, "the hub's bundle 'tiny-int8' is not the one that was ordered"),
            (other_questions, "the hub's question file 'songs.json' has other questions now"),
            (no_such_core, "affinity '999': this machine has cores"),
        ):
            dispatcher.order(order)
            assert reason in dispatcher.wait_for(order, "refused").reason
        assert runs_of(state_dir / "outbox.db") == []
        old = dispatcher.order(good)
        dispatcher.wait_for(good, "done")
        dispatcher.order()
        dispatcher.publish(old)  # somebody has kept it
        waiting.wait_for("was accepted before: it is ignored")
        assert waiting.end() == 0
    assert ended_runs(state_dir) == ["complete"]
    # Even without the book's list of what has ended, an old list is not accepted.
    book = json.loads((state_dir / BOOK_FILE).read_text())
    assert {each["phase"] for each in book["ended"]} == {"refused", "done"}
    assert (state_dir / BOOK_FILE).stat().st_mode & 0o077 == 0
    assert not [path for path in state_dir.rglob("*") if "int9" in path.name]
