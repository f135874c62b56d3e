"""An agent that waits for work: what it delivers and reports, how it gives way, and what it costs."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.errors import StateBusy
from agent.orders.settings import OrderSettings
from agent.outbox.folder_lock import is_wanted, locked
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import StateFolder, opened_state
from agent.serving import serve as serve_module
from agent.serving.serve import GIVES_WAY, WAITS
from agent.stop_signal import Stop
from agent.systemd_notify import Service
from commandline.broker_address import parse_broker
from contract.orders.order import OrderList
from tests.agent.collector import FakeCollector
from tests.agent.conftest import Agent, agent_command, agent_environment
from tests.agent.orders.board import NOWHERE
from tests.agent.records import begin, fill
from tests.contract.examples import ORDERS
from tests.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.broker

SECONDS = 60.0
MAX_RESIDENT_KB = 45 * 1024
MAX_SHARE_OF_A_CORE = 0.005


class Serving:
    """`agent serve` as a process of the device `pi-5`."""

    def __init__(self, state_dir: Path, *options: str | Path, **environment: str) -> None:
        self.said = state_dir.parent / "said"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                agent_command("serve", *options),
                env=agent_environment(state_dir) | environment,
                stderr=said,
            )

    def wait_for(self, sentence: str) -> None:
        deadline = time.monotonic() + SECONDS
        while sentence not in self.said.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def serving(state_dir: Path, url: str, **environment: str) -> Iterator[Serving]:
    started = Serving(state_dir, "--broker", url, "--device-id", "pi-5", **environment)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait(SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_delivers_and_takes_its_leave(broker: Mosquitto, state_dir: Path, number: int) -> None:
    with Outbox(StateFolder(state_dir).outbox) as outbox:
        fill(outbox, begin(outbox, device_id="pi-5"), 30)
    with FakeCollector(broker.port) as collector, serving(state_dir, broker.url) as waiting:
        waiting.wait_for("30 results delivered")
        collector.wait_for(lambda: any(state.reason == WAITS for state in collector.states))
        assert waiting.end(number) == 0
        collector.wait_for(lambda: collector.states[-1].state == "disconnected")
        assert len(collector.records) == 30
    assert waiting.said.read_text().startswith(f"connected to {broker.url} as 'pi-5'; {WAITS}\n")


def test_it_gives_way_to_another_command_and_comes_back(
    broker: Mosquitto, state_dir: Path, agent: Agent, tmp_path: Path
) -> None:
    with FakeCollector(broker.port) as collector, serving(state_dir, broker.url) as waiting:
        waiting.wait_for(WAITS)
        done = agent("flush", "--to-file", tmp_path / "out", "--device-id", "pi-5")
        assert done.returncode == 0, done.stderr
        collector.wait_for(lambda: any(state.reason == GIVES_WAY for state in collector.states))
        collector.wait_for(lambda: collector.states[-1].state == "connected")
        waiting.wait_for(f"{GIVES_WAY}\nconnected to ")
        assert waiting.end() == 0


def test_it_waits_while_another_agent_has_the_folder(broker: Mosquitto, state_dir: Path) -> None:
    folder = StateFolder(state_dir).path
    with FakeCollector(broker.port) as collector:
        with locked(folder), serving(state_dir, broker.url) as waiting:
            waiting.wait_for(GIVES_WAY)
            assert collector.states == [], "it would write over the state of the agent that works"
            assert waiting.end() == 0
        with locked(folder, serving=True), serving(state_dir, broker.url) as second:
            second.wait_for(GIVES_WAY)
            assert not is_wanted(folder), "of two that serve, the second waits"
            assert second.end() == 0


def test_a_broker_that_is_away_is_said_once_and_found_again(state_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "mosquitto").mkdir()
    with serving(state_dir, f"mqtt://127.0.0.1:{port}") as waiting:
        waiting.wait_for("cannot reach")
        with Mosquitto(tmp_path / "mosquitto", port) as broker:
            waiting.wait_for(WAITS)
            broker.kill()
            waiting.wait_for("ended the connection")
            broker.start()
            waiting.wait_for(f"results are kept\nconnected to {broker.url}")
        assert waiting.said.read_text().count("Connection refused") <= 2
        assert waiting.end() == 0


def test_the_service_manager_hears_of_it(broker: Mosquitto, state_dir: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SECONDS)
        with serving(state_dir, broker.url, NOTIFY_SOCKET=str(tmp_path / "notify")) as waiting:
            while not any("; connected to mqtt" in message for message in heard):
                heard.append(manager.recv(1000).decode())
            assert waiting.end() == 0
        while heard[-1] != "STOPPING=1":
            heard.append(manager.recv(1000).decode())
    assert heard[0] == "READY=1"
    assert f"WATCHDOG=1\nSTATUS={WAITS}; connected to {broker.url}" in heard


def test_a_file_is_no_place_to_stay_connected_to(agent: Agent, tmp_path: Path) -> None:
    refused = agent("serve", "--to-file", tmp_path / "out")
    assert refused.returncode == 2
    assert "name a broker with --broker URL" in refused.stderr


def test_a_waiting_board_keeps_its_memory_and_its_processor(broker: Mosquitto, state_dir: Path) -> None:
    with serving(state_dir, broker.url) as waiting:
        waiting.wait_for(WAITS)
        # A busy machine makes some seconds expensive; an agent that computes while it waits, all of them.
        fits = any(_share_of_a_core(waiting.process.pid) <= MAX_SHARE_OF_A_CORE for _ in range(5))
        process = Path(f"/proc/{waiting.process.pid}")
        resident = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
        loaded = (process / "maps").read_text()
    assert fits
    assert resident is not None and int(resident[1]) <= MAX_RESIDENT_KB
    assert not [name for name in ("onnxruntime", "numpy", "tokenizers") if f"/{name}/" in loaded]


def test_a_process_that_has_measured_starts_again_before_another_agent_begins(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it needs for a measurement would take memory from that of the other agent."""
    begun: list[bool] = []

    class Attendance:
        is_heavy = True

        def __init__(self, *_: object) -> None: ...

        def continues(self) -> bool:
            return False

        def close(self) -> None: ...

    def start_again(stop: Stop) -> None:
        with pytest.raises(StateBusy), locked(state_dir):
            pass
        begun.append(stop.asked)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("agent.outbox.folder_lock.GIVE_WAY_SECONDS", 2.0)
    monkeypatch.setattr(serve_module, "_Attendance", Attendance)
    monkeypatch.setattr(serve_module, "_start_again", start_again)
    broker = parse_broker("mqtt://127.0.0.1:1")
    serve_module.serve(broker, state_dir, "pi-5", lambda _: None, Service({}))
    assert begun == [False]


def test_a_process_that_has_measured_is_replaced_once_no_order_is_left(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it gives way before, it is replaced as well, since it would wait beside the other agent."""

    class Carrying:
        def __init__(self, *_: object) -> None: ...

        def carry_out(self) -> None: ...

    monkeypatch.setattr("agent.orders.carrying.Carrying", Carrying)
    order = replace(ORDERS.orders[0], cancelled=False)
    settings = OrderSettings("0" * 64, NOWHERE, None, None, None, 1)
    with opened_state(state_dir, "pi-5", lambda _: None, serving=True) as state:
        attendance = serve_module._Attendance(
            parse_broker("mqtt://127.0.0.1:1"), state, lambda _: None, Service({}), settings
        )
        heavy = []
        attendance.step()
        heavy.append(attendance.is_heavy)
        attendance._book.accept(OrderList(device_id="pi-5", revision=1, orders=(order,)))
        attendance.step()
        heavy.append(attendance.is_heavy)
        assert heavy == [False, True] and attendance.continues()
        attendance._book.end(order.id, "done")
        assert not attendance.continues()
        attendance.close()


def test_a_process_that_was_asked_to_end_does_not_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[object] = []
    monkeypatch.setattr(os, "execv", lambda *program: replaced.append(program))
    with Stop() as stop:
        serve_module._start_again(stop)
        assert len(replaced) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        serve_module._start_again(stop)
    assert len(replaced) == 1


def test_a_process_whose_python_is_gone_serves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As during an update."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Stop() as stop:
        serve_module._start_again(stop)
        assert not stop.asked


def _share_of_a_core(pid: int) -> float:
    """Share of a core that a process uses in the next seconds."""
    before, begun = _busy_ns(pid), time.monotonic()
    time.sleep(5)  # long enough to measure half a percent: 25 ms
    return (_busy_ns(pid) - before) / 1e9 / (time.monotonic() - begun)


def _busy_ns(pid: int) -> int:
    """Time that the threads of a process have computed, in nanoseconds."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
