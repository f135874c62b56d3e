"""How a hub starts, continues, is disturbed, moves and ends."""

import os
import signal
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from collector.errors import BadInput
from collector.hub import mosquitto
from collector.hub.authority import certificate_end, pin
from collector.hub.folder import HubFolder
from collector.hub.hub import run
from collector.hub.register import Register
from collector.hub.start_settings import Options
from collector.store.opening import open_store_to_read
from contract.questions import decode_questions
from tests.collector.command import collector
from tests.collector.hub.running_hub import RunningHub, files_in
from tests.collector.running_collector import wait_until
from tests.faults.disks import small_disk
from tests.mosquitto import free_port

pytestmark = pytest.mark.broker
MOVING = """
from pathlib import Path
from collector.hub import address_watch, hub, start_settings
address_watch.LOOK_SECONDS, address_watch.LASTING_SECONDS = 0.1, 0.5
for module in (address_watch, hub, start_settings):
    module.own_addresses = lambda: Path({!r}).read_text().split()
"""
"""A machine whose addresses are in a file."""
CLOCK_SET_LATER = """
import time
from datetime import datetime
from types import SimpleNamespace
from collector.hub import authority, hub
years_ago = [50 * 365 * 86_400.0]
class Clock(datetime):
    @classmethod
    def now(cls, zone=None):
        return datetime.fromtimestamp(time.time() - (years_ago.pop() if years_ago else 0.0), zone)
authority.datetime = Clock
hub.time = SimpleNamespace(monotonic=time.monotonic, time=lambda: time.time() - sum(years_ago))
"""
"""A machine whose clock is set right after it has made its first certificate."""
SHORT_SERVICE = """
from uvicorn import Server
keep_running = Server.main_loop
async def end(self):
    Server.main_loop = keep_running
    raise RuntimeError("no more")
Server.main_loop = end
"""
"""The first HTTPS service ends as soon as it listens."""


PATIENT = "from collector.hub.service import access\naccess.SECONDS_PER_WRONG = 3600.0\n"
"""A hub that forgets wrong passes more slowly than any machine can give twelve."""


def started_again(hub: RunningHub, name: str, before: int) -> bool:
    return hub.children().get(name, before) != before


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_hub_ends_its_programs(folder: Path, number: signal.Signals) -> None:
    with RunningHub(folder) as hub:
        programs = hub.children()
        assert set(programs) == {"mosquitto", "collector"}
        assert hub.end(number) == (-number if number == signal.SIGKILL else 0)
        wait_until(lambda: not any(map(alive, programs.values())), "both to end")


def test_a_second_start_continues_and_a_second_hub_is_refused(folder: Path) -> None:
    with RunningHub(folder) as first:
        pin = first.invite().pin
        password, unused = first.joined("kitchen-pi"), first.new_pass("cellar-pi")
        other = collector("hub", "--dir", folder, "--at", "127.0.0.1")
        assert other.returncode == 1
        assert other.stderr.startswith("collector: a hub runs in this folder already")
        assert f"process {first.process.pid}" in other.stderr
    with RunningHub(folder) as second:
        assert second.invite().pin == pin
        assert second.get_as("kitchen-pi", password, "/bundles/").status == 200
        second.password(second.join(unused, "cellar-pi"))


def test_a_folder_moves_to_another_machine_with_another_address(folder: Path) -> None:
    with RunningHub(folder) as hub:
        key, password = pin(HubFolder(folder)), hub.joined("kitchen-pi")
    moved = folder.rename(folder.with_name("moved folder"))
    with RunningHub(moved, at="localhost") as hub:
        assert hub.says(
            "the hub's address was 127.0.0.1 and is localhost now: boards that joined look for it at "
            "127.0.0.1"
        )
        assert pin(HubFolder(moved)) == key
        assert f"https://localhost:{hub.port}/join/" in hub.invite().curl
        assert hub.get_as("kitchen-pi", password, "/bundles/").status == 200


def test_a_hub_whose_machine_gets_another_address_says_so_and_uses_it(folder: Path, tmp_path: Path) -> None:
    here = tmp_path / "addresses"
    here.write_text("192.168.1.2")
    with RunningHub(folder, at=None, changes=MOVING.format(str(here))) as hub:
        password, line = hub.joined("kitchen-pi"), hub.invite()
        assert f"https://192.168.1.2:{hub.port}/join/" in line.curl
        here.write_text("192.168.1.7")
        wait_until(partial(hub.says, f"answers at https://192.168.1.7:{hub.port}"), "the new address")
        moved = "the hub's address was 192.168.1.2 and is 192.168.1.7 now: boards that joined look"
        wait_until(partial(hub.says, moved), "what boards do")
        assert f"--pinnedpubkey '{line.pin}' https://192.168.1.7:" in hub.invite().curl
        assert hub.get_as("kitchen-pi", password, "/bundles/").status == 200
        settings = files_in(hub.join(hub.new_pass("cellar-pi"), "cellar-pi"))
        assert f"mqtts://cellar-pi@192.168.1.7:{hub.mqtt_port}" in settings["agent.toml"]
        certificate = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
        assert {"192.168.1.2", "192.168.1.7"} <= addresses


def test_a_certificate_from_before_the_clock_was_set_is_renewed_at_once(folder: Path) -> None:
    with RunningHub(folder, changes=CLOCK_SET_LATER) as hub:  # whose collector trusts no old one
        assert hub.says("the hub's certificate is renewed")
        assert certificate_end(HubFolder(folder)) > datetime.now(UTC)
        shown = ssl.get_server_certificate(("127.0.0.1", hub.port))
        assert x509.load_pem_x509_certificate(shown.encode()).not_valid_after_utc > datetime.now(UTC)


def test_an_https_service_that_ends_is_started_again(folder: Path) -> None:
    with RunningHub(folder, changes=SHORT_SERVICE) as hub:
        wait_until(
            partial(hub.says, "the HTTPS service ended (RuntimeError: no more); it is started again in 5 s"),
            "its end to be said",
        )
        wait_until(lambda: sum("answers at" in line for line in hub.said) == 2, "the service")
        assert hub.get_as("kitchen-pi", hub.joined("kitchen-pi"), "/bundles/").status == 200
        assert not any("Traceback" in line for line in hub.said)


def test_a_mosquitto_and_a_collector_that_die_are_started_again(folder: Path) -> None:
    with RunningHub(folder) as hub:
        password = hub.joined("kitchen-pi")
        before = hub.children()
        for name, shown in (("mosquitto", "Mosquitto ended ("), ("collector", "the collector ended (")):
            os.kill(before[name], signal.SIGKILL)
            wait_until(partial(hub.says, shown), f"the end of {name} to be said")
            assert hub.says("it is started again in 1 second")
            wait_until(partial(started_again, hub, name, before[name]), name)
        assert hub.get_as("kitchen-pi", password, "/bundles/").status == 200
        wait_until(lambda: sum("listening on" in line for line in hub.said) >= 2, "the collector")


def test_without_mosquitto_a_sentence_has_the_line_that_installs_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosquitto, "_PLACES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"^the hub needs Mosquitto, .*: sudo apt install mosquitto \("):
        run(HubFolder(folder), Options(at="127.0.0.1"), print)
    assert not folder.exists()


@pytest.mark.parametrize("option", ["--port", "--mqtt-port"])
def test_a_port_in_use_is_one_sentence(folder: Path, option: str) -> None:
    ports = {"--port": str(free_port()), "--mqtt-port": str(free_port())}
    with socket.create_server(("", int(ports[option]))):
        named = [word for pair in ports.items() for word in pair]
        done = collector("hub", "--dir", folder, "--at", "127.0.0.1", *named)
    assert done.returncode == 1
    assert done.stderr == (
        f"collector: port {ports[option]} cannot be used: Address already in use: end the program that "
        f"has it, or choose another port with {option}\n"
    )


def test_a_full_disk_is_one_sentence_and_uses_no_pass_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk, RunningHub(disk.folder / "hub") as hub:
        secret = hub.new_pass("kitchen-pi")
        filler = disk.folder / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):  # a buffer would be written once more
            while True:
                file.write(bytes(65_536))
        refused = hub.join(secret, "kitchen-pi")
        assert refused.status == 507
        assert len(refused.text.splitlines()) == 1
        assert "the hub cannot do this now" in refused.text
        filler.unlink()
        password = hub.password(hub.join(secret, "kitchen-pi"))
        assert hub.get_as("kitchen-pi", password, "/bundles/").status == 200


def test_a_disk_that_is_full_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8k") as disk:
        (disk.folder / "filler").write_bytes(bytes(4_096))
        done = collector("hub", "--dir", disk.folder / "hub", "--at", "127.0.0.1")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "No space left on device" in done.stderr


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    done = collector("hub", "--dir", tmp_path, "--at", "127.0.0.1")
    assert done.returncode == 1
    assert "holds 'thesis.tex' and is not a hub's folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("address", ["http://x", "a b", "-x", "::g"])
def test_an_address_that_is_none_is_refused(folder: Path, address: str) -> None:
    done = collector("hub", "--dir", folder, f"--at={address}")
    assert done.returncode == 1
    assert f"{address!r} is not an address of this machine" in done.stderr
    assert not folder.exists()


def test_everything_in_the_folder_is_private(folder: Path) -> None:
    with RunningHub(folder) as hub:
        hub.joined("kitchen-pi")
        wait_until((folder / "results.db").exists, "the database")
        open_to_others = [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_guessing_is_slow_and_nobody_else_waits(folder: Path) -> None:
    with RunningHub(folder, changes=PATIENT) as hub:
        secret = hub.new_pass()
        for number in range(12):
            guessed = hub.get(f"/join/guess-{number}").text
        assert "too many wrong passes came from this address" in guessed
        assert "too many wrong passes" in hub.get(f"/join/{secret}").text, "the right one is not looked at"
        assert hub.join(secret, "kitchen-pi").status == 429
        assert hub.get("/metrics").status == 200
        assert Register(folder / "register.db").passes()[0].used == 0


def test_questions_come_without_gold_answers_and_score_what_arrives(
    folder: Path, questions_file: Path
) -> None:
    with RunningHub(folder, "--questions", questions_file) as hub:
        password = hub.joined("kitchen-pi")
        assert hub.get_as("kitchen-pi", password, "/questions/").text == f"{questions_file.name}\n"
        given = hub.get_as("kitchen-pi", password, f"/questions/{questions_file.name}")
        assert hub.get(f"/questions/{questions_file.name}").status == 401
        bearer = {"Authorization": f"Bearer {hub.new_pass()}"}
        assert hub.get(f"/questions/{questions_file.name}", **bearer).data == given.data
        wait_until((folder / "questions-added").exists, "the gold answers to be added")
    own, theirs = decode_questions(questions_file.read_bytes()), decode_questions(given.data)
    assert theirs.sha256 == own.sha256
    assert any(question.golds for question in own.questions)
    assert not any(question.golds for question in theirs.questions)
    with open_store_to_read(folder / "results.db") as store:
        assert store.value("SELECT name FROM question_sets") == questions_file.stem
        assert store.value("SELECT count(*) FROM golds") > 0


def test_a_question_file_that_is_none_is_said_and_stops_nothing(folder: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[]")
    with RunningHub(folder, "--questions", wrong) as hub:
        wait_until(lambda: hub.says("the questions 'wrong.json' are not added: "), "the sentence")
        refused = hub.get("/questions/wrong.json", Authorization=f"Bearer {hub.new_pass()}")
        assert refused.status == 503
        assert len(refused.text.splitlines()) == 1
