"""`agent doctor`: what is wrong with a device, a bundle or the way to a collector, and what to do."""

import json
import shutil
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.bundles.bundle import describe
from agent.delivery import uplink
from agent.doctor import broker as probing
from agent.doctor.broker import probe
from agent.doctor.machine import examine, unmet_target
from agent.machine.device import inspect_device
from agent.outbox.state_folder import StateFolder
from collector.store.opening import open_store_to_read
from commandline.broker_address import parse_broker
from commandline.finding import Finding
from contract.topics import topic
from tests.agent.collector import FakeCollector
from tests.agent.conftest import Agent
from tests.collector.running_collector import Collector
from tests.faults.certificates import Authority
from tests.faults.oldbroker import SECONDS, WAYS, old_broker
from tests.mosquitto import Mosquitto, free_port

BOARDS = Path(__file__).parent.parent.parent / "hardware"
DEVICE = "pi-5"


def levels(findings: list[Finding]) -> dict[str, str]:
    """The worst level of each kind of finding."""
    order = ["ok", "warn", "fail"]
    worst: dict[str, str] = {}
    for finding in findings:
        worst[finding.about] = max(worst.get(finding.about, "ok"), finding.level, key=order.index)
    return worst


def check(folder: Path, *bundles: Path, board: str = "server") -> list[Finding]:
    return list(examine(StateFolder(folder), bundles, 1_048_576, BOARDS / board))


def test_a_device_that_is_ready(state_dir: Path, tiny_bundle: Path) -> None:
    found = check(state_dir, tiny_bundle)
    checks = levels(found)
    checks.pop("clock")  # of the machine that runs the test
    assert set(checks.values()) == {"ok"}, found
    assert {"device", "quiet", "energy", "runtime", "disk", "outbox", "bundle"} <= checks.keys()
    assert not list(state_dir.glob(".doctor*"))


def test_f23_a_library_of_the_current_folder_is_not_run(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "from pathlib import Path\nPath('owned').write_text('by a module')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert levels(check(state_dir))["runtime"] == "ok"
    assert not (tmp_path / "owned").exists()


def test_a_board_that_is_not(state_dir: Path) -> None:
    found = check(state_dir, board="raspberry-pi-4")
    checks = levels(found)
    assert (checks["governor"], checks["temperature"], checks["throttling"]) == ("warn", "warn", "warn")
    assert all(finding.advice for finding in found if finding.level != "ok")


def test_a_board_in_a_container(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    found = check(state_dir, board="raspberry-pi-4-container")
    checks = levels(found)
    assert (checks["quota"], checks["throttling"]) == ("warn", "warn") and "quiet" not in checks
    assert found[0].what.startswith("raspberry-pi-4, Cortex-A72, 1 core,")


def test_a_board_of_no_class(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    checks = {finding.about: finding for finding in check(state_dir, board="rock-5b")}
    assert checks["class"].level == "ok" and "'Radxa ROCK 5B'" in checks["class"].what
    named = examine(StateFolder(state_dir), (), 1, BOARDS / "rock-5b", "rock-5b-fan")
    assert "class" not in {finding.about for finding in named}
    assert checks["throttling"].level == "ok" and "does not report it" in checks["throttling"].what


def test_a_board_that_nothing_names(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    (found,) = [f for f in examine(StateFolder(state_dir), (), 1, tmp_path) if f.about == "class"]
    assert found.level == "warn" and "--hardware-class" in found.advice


def test_a_counter_of_energy_that_only_root_may_read(state_dir: Path, tmp_path: Path) -> None:
    root = shutil.copytree(BOARDS / "laptop", tmp_path / "laptop")
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()  # root, as which tests may run, reads all
    (found,) = [f for f in examine(StateFolder(state_dir), (), 1, root) if f.about == "energy"]
    assert found.level == "warn" and "sudo chmod a+r" in found.advice and "intel-rapl:0" in found.advice


def test_a_bundle_that_was_tampered_with(state_dir: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    with (bundle / "model.onnx").open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    (found,) = [f for f in check(state_dir, bundle) if f.about == "bundle"]
    assert found.level == "fail" and "model.onnx" in found.what
    (found,) = [f for f in check(state_dir, tmp_path / "none") if f.about == "bundle"]
    assert found.level == "fail" and "there is no bundle" in found.what


def test_a_bundle_that_does_not_fit(state_dir: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    root = shutil.copytree(BOARDS / "server", tmp_path / "server")
    (root / "proc/meminfo").write_text("MemTotal: 65536 kB\nMemAvailable: 40000 kB\n")
    (found,) = [f for f in examine(StateFolder(state_dir), [tiny_bundle], 1, root) if f.about == "bundle"]
    assert found.level == "fail" and "41 MB of the machine's memory are left" in found.what


@pytest.mark.parametrize(
    ("target", "board", "architecture", "unmet"),
    [
        ("avx512_vnni", "desktop", "x86_64", "avx512_vnni"),
        ("avx512_vnni", "laptop", "x86_64", None),
        ("avx2", "desktop", "x86_64", None),
        ("avx2", "raspberry-pi-5", "aarch64", "avx2"),
        ("arm64", "raspberry-pi-4", "aarch64", None),
        ("arm64", "desktop", "x86_64", "arm64"),
        ("portable", "raspberry-pi-4", "aarch64", None),
        (None, "desktop", "x86_64", None),
    ],
)
def test_what_a_bundle_is_made_for(
    tiny_bundle: Path, target: str | None, board: str, architecture: str, unmet: str | None
) -> None:
    bundle = describe(tiny_bundle)
    bundle = bundle._replace(manifest=replace(bundle.manifest, recipe={"target": target} if target else {}))
    device = inspect_device("test", root=BOARDS / board, architecture=architecture)
    assert unmet_target(bundle, device) == unmet


@pytest.mark.broker
def test_a_collector_that_answers(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "RECEIPT_SECONDS", 60.0)
    with FakeCollector(broker.port) as collector:
        found = list(probe(parse_broker(broker.url), DEVICE))
        assert not collector.records and not collector.states, "a doctor leaves no trace"
    assert levels(found) == {"broker": "ok", "collector": "ok"}, found


@pytest.mark.broker
def test_the_real_collector_answers_and_stores_nothing(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "RECEIPT_SECONDS", 60.0)
    database = tmp_path / "results.db"
    with Collector("--broker", broker.url, "--db", database) as collector:
        found = list(probe(parse_broker(broker.url), DEVICE))
        collector.end()
    assert levels(found) == {"broker": "ok", "collector": "ok"}, found
    with open_store_to_read(database) as store:
        assert store.value("SELECT (SELECT count(*) FROM streams) + (SELECT count(*) FROM rejected)") == 0


@pytest.mark.broker
def test_a_broker_without_a_collector(broker: Mosquitto) -> None:
    found = list(probe(parse_broker(broker.url), DEVICE))
    assert levels(found) == {"broker": "ok", "collector": "warn"}
    assert "collector serve" in found[-1].advice


@pytest.mark.broker
def test_an_id_with_a_dot_works_and_is_named_if_no_receipt_comes(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "RECEIPT_SECONDS", 60.0)
    with FakeCollector(broker.port):
        found = list(probe(parse_broker(broker.url), "kitchen.pi"))
    assert levels(found) == {"broker": "ok", "collector": "ok"}, found
    monkeypatch.setattr(probing, "RECEIPT_SECONDS", 0.1)
    for device_id, named in (("kitchen.pi", True), ("kitchen-pi", False)):
        advice = list(probe(parse_broker(broker.url), device_id))[-1].advice
        assert ("an id without the dots" in advice) == named


@pytest.mark.broker
def test_an_agent_at_work_is_not_disturbed(broker: Mosquitto) -> None:
    from agent.delivery.uplink import Uplink

    working = Uplink(parse_broker(broker.url), DEVICE, None)
    while working.phase != "ready":
        working.turn(0.05)
    list(probe(parse_broker(broker.url), DEVICE))
    working.turn(0.2)
    assert working.phase == "ready"
    working.close()


@pytest.mark.broker
@pytest.mark.parametrize(
    ("rights", "about", "what"),
    [
        (f"topic read {topic(DEVICE, 'receipts')}", "broker", "does not accept results"),
        (f"topic write {topic(DEVICE, 'results')}", "collector", "no collector has answered"),
    ],
)
def test_rights_that_are_missing(tmp_path: Path, rights: str, about: str, what: str) -> None:
    acl = tmp_path / "acl"
    acl.write_text(rights + "\n")
    with Mosquitto(tmp_path, lines=("allow_anonymous true", f"acl_file {acl}")) as broker:
        found = list(probe(parse_broker(broker.url), DEVICE))
    assert (found[-1].about, what in found[-1].what) == (about, True), found


@pytest.mark.broker
def test_limits_and_credentials_of_a_broker(tmp_path: Path) -> None:
    lines = (
        "allow_anonymous true",
        "max_packet_size 20000",
        "retain_available false",
        "max_inflight_messages 5",
    )
    with Mosquitto(tmp_path, lines=lines) as broker:
        warnings = "; ".join(f.what for f in probe(parse_broker(broker.url), DEVICE) if f.level == "warn")
    assert "messages of at most 20000 bytes" in warnings
    assert "no retained messages" in warnings
    with Mosquitto(tmp_path, lines=("allow_anonymous false",)) as broker:
        (found,) = probe(parse_broker(broker.url), DEVICE)
    assert found.level == "fail" and "--password-file" in found.advice
    (found,) = probe(parse_broker(f"mqtt://127.0.0.1:{free_port()}"), DEVICE)
    assert found.level == "fail" and "Connection refused" in found.what


@pytest.mark.parametrize("way", WAYS)
def test_a_broker_that_speaks_an_older_version_is_found_as_by_a_run(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "GREETING_SECONDS", 2.0)
    monkeypatch.setattr(probing, "RECEIPT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        versions = pool.submit(old_broker, server, WAYS[way])
        found = list(probe(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), DEVICE))
        assert versions.result(SECONDS) == [5, 4]
    assert levels(found) == {"broker": "warn", "collector": "warn"}
    assert "supports MQTT 3.1.1 only" in found[0].what


def test_a_broker_that_never_answers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "GREETING_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        (found,) = probe(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), DEVICE)
    assert found.level == "fail" and "does not answer" in found.what


@pytest.mark.broker
def test_certificates_that_end_soon(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, own = authority.sign("127.0.0.1", days=400), authority.sign(DEVICE, days=3)
    own.key.chmod(stat.S_IRUSR)
    lines = (
        f"cafile {authority.root.certificate}",
        f"certfile {server.certificate}",
        f"keyfile {server.key}",
        "require_certificate true",
        "allow_anonymous true",
    )
    with Mosquitto(tmp_path, lines=lines) as running:
        address = f"mqtts://127.0.0.1:{running.port}"
        broker = parse_broker(address, None, authority.root.certificate, own.certificate, own.key)
        found = [f for f in probe(broker, DEVICE) if f.about == "certificate"]
    assert [(f.level, f.what.split(" expires")[0]) for f in found] == [
        ("warn", "this device's certificate"),
        ("ok", "the broker's certificate"),
    ]


@pytest.mark.broker
def test_the_command_tells_all_and_fails_where_something_must_be_mended(
    agent: Agent, broker: Mosquitto, tiny_bundle: Path, tmp_path: Path
) -> None:
    ended = agent("doctor", "--bundle", tiny_bundle, "--broker", broker.url)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "bundle" in ended.stdout and "collector" in ended.stdout
    assert all(line.startswith(("ok", "warn", "   ")) for line in ended.stdout.splitlines())
    ended = agent("doctor", "--bundle", tmp_path / "none", "--json")
    assert ended.returncode == 1 and ended.stderr == ""
    checks = {finding["about"]: finding for finding in json.loads(ended.stdout)}
    assert checks["bundle"]["level"] == "fail"


def test_a_runtime_that_dies_is_reported(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died = subprocess.CompletedProcess([], -4, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: died)
    (found,) = [f for f in check(state_dir) if f.about == "runtime"]
    assert found.level == "fail" and "signal 4" in found.what
