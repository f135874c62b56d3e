"""A real hub, asked with real curl and wget: passes, the pin, credentials, wheels and unit files."""

import hashlib
import tomllib
from concurrent.futures import ThreadPoolExecutor

import pytest

from collector.hub.register import Register
from tests.collector.hub.running_hub import RunningHub, files_in, run_line
from tests.installed import program

pytestmark = pytest.mark.broker

ANOTHER_PIN = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
X86 = "python=3.11&machine=x86_64&libc=glibc2.36"


def test_a_line_fetches_the_script_of_this_hub_for_this_device(hub: RunningHub) -> None:
    invited = hub.invite("--name", "pi5-lab-01")
    script = hub.get(f"/join/{invited.secret}")
    assert (script.status, script.headers["content-type"]) == (200, "text/x-shellscript; charset=utf-8")
    assert script.text.startswith("#!/bin/sh")
    assert f"https://127.0.0.1:{hub.port}" in script.text
    for value in ("PIN", "PASS", "DEVICE", "REFUSAL", "CERTIFICATE_ENDS"):
        assert f"@{value}@" not in script.text
    assert "\nDEVICE='pi5-lab-01'\n" in script.text
    assert invited.curl == (
        f"curl -sSk --pinnedpubkey '{invited.pin}' "
        f"https://127.0.0.1:{hub.port}/join/{invited.secret} | sudo sh"
    )


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_with_another_key_not_a_byte_is_executed(hub: RunningHub, tool: str) -> None:
    program(tool)
    invited = hub.invite()
    line = getattr(invited, tool)
    fetched = line.partition(" | ")[0]
    assert run_line(f"{fetched} | head -1").stdout == "#!/bin/sh\n", "the same line with the right key"
    other = run_line(f"{fetched.replace(invited.pin, ANOTHER_PIN)} | cat")
    assert other.stdout == ""
    assert "pinned public key" in other.stderr


@pytest.mark.parametrize("why", ["was used already", "has expired", "was revoked", "is not known here"])
def test_a_pass_that_is_not_good_gives_a_script_of_one_sentence(hub: RunningHub, why: str) -> None:
    secret = hub.new_pass(seconds=0.0 if "expired" in why else 600.0)
    if "used" in why:
        hub.password(hub.join(secret, "board-of-a-spent-pass"))
    if "revoked" in why:
        register = Register(hub.folder / "register.db")
        register.revoke(register.passes()[0].id)
    if "known" in why:
        secret = "guessed"
    sentence = f"this pass {why}: ask for a new line (collector invite)"
    assert hub.get(f"/join/{secret}").status == 200
    ran = run_line(f"curl -sSk https://127.0.0.1:{hub.port}/join/{secret} | sh")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"distilbench: {sentence}\n")
    for refused in (hub.join(secret, "another-board"), hub.get(f"/join/{secret}/wheels?{X86}")):
        assert (refused.status, refused.text) == (403, f"{sentence}\n")


def test_only_credentials_use_a_pass_up(hub: RunningHub) -> None:
    secret = hub.new_pass(uses=2)
    for path in ("", f"/wheels?{X86}", "/files/distilbench-agent.service"):
        assert hub.get(f"/join/{secret}{path}").status == 200
    hub.password(hub.join(secret, "board-1"))
    assert hub.get(f"/join/{secret}").text.count("this pass") == 0
    hub.password(hub.join(secret, "board-2"))
    assert hub.join(secret, "board-3").status == 403


def test_a_device_gets_its_settings(hub: RunningHub) -> None:
    invited = hub.invite("--name", "kitchen-pi")
    other = hub.join(invited.secret, "cellar-pi")
    assert other.status == 403
    assert "this pass is for kitchen-pi, not for cellar-pi" in other.text
    answer = hub.join(invited.secret, "kitchen-pi")
    hub.password(answer)
    files = files_in(answer)
    assert tomllib.loads(files["agent.toml"]) == {
        "device-id": "kitchen-pi",
        "broker": f"mqtts://kitchen-pi@127.0.0.1:{hub.mqtt_port}",
        "password-file": "password",
        "ca-file": "ca.crt",
    }
    assert files["ca.crt"] == (hub.folder / "ca.crt").read_text()
    about = tomllib.loads(files["hub.toml"])
    assert (about["url"], about["pin"]) == (f"https://127.0.0.1:{hub.port}", invited.pin)
    assert "127.0.0.1" in about["addresses"]


def test_a_name_is_given_again_only_to_the_pass_that_is_bound_to_it(hub: RunningHub) -> None:
    first = hub.password(hub.join(hub.new_pass("twice"), "twice"))
    anyones = hub.new_pass()
    refused = hub.join(anyones, "twice")
    assert refused.status == 409
    assert "a device named twice has joined already" in refused.text
    assert hub.get_as("twice", first, "/bundles/").status == 200, "the device that has it keeps it"
    second = hub.password(hub.join(hub.new_pass("twice"), "twice"))
    assert hub.get_as("twice", second, "/bundles/").status == 200
    assert hub.get_as("twice", first, "/bundles/").status == 401
    hub.password(hub.join(anyones, "somebody-else"))


@pytest.mark.parametrize("name", ["collector", "Großer Pi", "", "../x", "a" * 64])
def test_a_name_that_no_device_may_have_is_refused_and_uses_nothing_up(hub: RunningHub, name: str) -> None:
    secret = hub.new_pass()
    assert hub.join(secret, name).status == 403
    assert hub.get(f"/join/{secret}").text.count("this pass") == 0


def test_wheels_are_those_of_the_board_and_are_resumable(hub: RunningHub) -> None:
    place = f"/join/{hub.new_pass()}"
    lines = hub.get(f"{place}/wheels?{X86}").text.splitlines()
    names = {name: digest for digest, name in (line.split("  ") for line in lines)}
    needed = "needed-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert list(names) == ["distilbench-0.1.0-py3-none-any.whl", needed]
    whole = hub.get(f"{place}/wheels/{needed}").data
    assert hashlib.sha256(whole).hexdigest() == names[needed]
    rest = hub.get(f"{place}/wheels/{needed}", Range="bytes=100-")
    assert (rest.status, rest.data) == (206, whole[100:])
    arm = hub.get(f"{place}/wheels?python=3.11&machine=aarch64&libc=glibc2.36").text
    assert "needed-1.0-cp311-cp311-manylinux_2_28_aarch64.whl" in arm


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("python=3.9&machine=x86_64&libc=glibc2.36", "there are no wheels for Python '3.9'"),
        ("python=3.11&machine=armv7l&libc=glibc2.36", "there are no wheels for the processor 'armv7l'"),
        ("python=3.11&machine=x86_64&libc=musl1.2", "there are no wheels for the C library 'musl1.2'"),
        (
            "python=3.11&machine=x86_64&libc=glibc2.17",
            "the hub cannot collect wheels for Python 3.11 on x86_64",
        ),
        ("python=--pre&machine=x86_64&libc=glibc2.36", "there are no wheels for Python '--pre'"),
        ("", "there are no wheels for Python ''"),
    ],
)
def test_a_board_without_wheels_is_told_in_a_sentence(hub: RunningHub, query: str, sentence: str) -> None:
    answer = hub.get(f"/join/{hub.new_pass()}/wheels?{query}")
    assert answer.status == 404
    assert answer.text.startswith(sentence)
    assert len(answer.text.splitlines()) == 1


@pytest.mark.parametrize(
    "path", ["files/../hub.toml", "files/%2e%2e%2fca.key", "wheels/..%2f..%2fca.key", "wheels/../../ca.key"]
)
def test_nothing_else_of_the_folder_is_served(hub: RunningHub, path: str) -> None:
    answer = hub.get(f"/join/{hub.new_pass()}/{path}")
    assert answer.status == 404
    assert b"PRIVATE" not in answer.data


def test_a_form_that_is_too_large_is_refused(hub: RunningHub) -> None:
    assert hub.join(hub.new_pass(), "a" * 10_000).status == 413


def test_twenty_boards_join_at_once_with_one_pass(hub: RunningHub) -> None:
    secret = hub.new_pass(uses=20)
    with ThreadPoolExecutor(25) as boards:
        answers = list(boards.map(lambda number: hub.join(secret, f"crowd-{number}"), range(25)))
    joined = [answer for answer in answers if answer.status == 200]
    assert (len(joined), {answer.status for answer in answers}) == (20, {200, 403})
    for number, answer in enumerate(answers):
        if answer.status == 200:
            assert hub.get_as(f"crowd-{number}", hub.password(answer), "/bundles/").status == 200
