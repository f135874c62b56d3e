import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.bundles.fetch import fetch
from agent.errors import AgentError
from commandline.broker_address import BrokerAddress, Secret, check_key, parse_broker
from tests.agent.conftest import ROOT, agent_command
from tests.canary import CANARY, may_hold
from tests.faults.certificates import Authority, openssl


class Refused(Exception):
    """What a program raises for bad input."""


def parse(url: str, *files: Path | None) -> BrokerAddress:
    return parse_broker(url, *files, refusal=Refused)


def written(file: Path, content: bytes, mode: int = 0o600) -> Path:
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("url", "expected", "shown"),
    [
        ("mqtt://pi.local", BrokerAddress("pi.local", 1883), "mqtt://pi.local:1883"),
        ("mqtt://pi@10.0.0.7:1884", BrokerAddress("10.0.0.7", 1884, user="pi"), "mqtt://10.0.0.7:1884"),
        ("mqtt://host:65535", BrokerAddress("host", 65535), "mqtt://host:65535"),
        ("mqtts://broker.org/", BrokerAddress("broker.org", 8883, tls=True), "mqtts://broker.org:8883"),
        ("mqtts://a%40b@[::1]:9", BrokerAddress("::1", 9, tls=True, user="a@b"), "mqtts://[::1]:9"),
    ],
)
def test_addresses(url: str, expected: BrokerAddress, shown: str) -> None:
    assert parse(url) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    "url",
    [
        *("broker", "http://broker", "ws://broker", "mqtt://", "mqtt://:1883", ""),
        *("mqtt://host:0", "mqtt://host:65536", "mqtt://host:70000", "mqtt://ho st"),
        *("mqtt://host/path", "mqtt://host//", "mqtt://host?x", "mqtt://host#x", "mqtt://host/#x"),
        *("MQTT://host", "Mqtts://host", " mqtt://host", "mqtt://host\n", "mqtt://\x07host"),
    ],
)
def test_what_is_no_address_is_quoted(url: str) -> None:
    with pytest.raises(Refused, match=r"is not a broker: write mqtt://") as refused:
        parse(url)
    assert str(refused.value).isprintable()
    assert url.strip("\n").replace("\x07", "?") in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            f"mqtt://pi:{CANARY}@host",
            f"mqtt://pi:{CANARY}@host:x",
            f"x://:{CANARY}@h",
            f"mqtt://u:{CANARY}@[",
        ),
        *(f"pi:{CANARY}@host", f"mqtt:pi:{CANARY}@host", f"{CANARY}@host", f"MQTT://{CANARY}@host"),
        *(f"mqtt://{CANARY}@host/x", f"mqtt://a@{CANARY}", f"mqtt://pi:a/{CANARY}@host", f"//{CANARY}@"),
        *(f"mqtt://pi:{CANARY}", f"mqtt://pi%3A{CANARY}@host", f"mqtt://[::1:{CANARY}", "mqtt://host:-1"),
    ],
)
def test_what_may_be_a_secret_in_a_url_is_not_repeated(url: str, tmp_path: Path) -> None:
    file = written(tmp_path / "ca.crt", b"")
    with pytest.raises(Refused) as refused:
        parse(url, None, file)
    assert CANARY not in str(refused.value)


@given(
    before=st.sampled_from(["", " ", "m", "mqt", "mqtt", "mqtts", "MQTT", "http", "ssl", "mqtts+"]),
    slashes=st.sampled_from(["", ":", "/", "//", ":/", "://", ":///", ":\\\\", ";//", "://[", ":// "]),
    user=st.sampled_from(["", "pi", "pi-5", "a%40b", "a@b", "a/b", "[::1]"]),
    colon=st.sampled_from([":", "%3A", "%3a", "::", ": "]),
    after=st.sampled_from(
        ["", "@", "@host", "@host:1883", "@@host", " @host", "/host", "%40host", "#host", "@[::1"]
    ),
)
@settings(max_examples=500)
def test_a_password_in_a_mistyped_url_is_never_repeated(
    before: str, slashes: str, user: str, colon: str, after: str
) -> None:
    url = f"{before}{slashes}{user}{colon}{CANARY}{after}"
    with pytest.raises(Refused) as refused:
        parse(url)
    assert CANARY not in str(refused.value)
    with pytest.raises(AgentError) as not_fetched:
        fetch(url, Path("unused"), lambda *_: None)
    assert CANARY not in str(not_fetched.value)


def test_both_programs_refuse_a_password_in_the_url(tmp_path: Path) -> None:
    url = f"mqtt://pi:{CANARY}@host"
    for command in (
        agent_command("flush", "--broker", url, "--state-dir", tmp_path / "state"),
        [sys.executable, "-m", "collector", "serve", "--broker", url, "--db", str(tmp_path / "results.db")],
    ):
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert ended.returncode == 2
        assert "--password-file" in ended.stderr
        assert CANARY not in ended.stderr + ended.stdout


def test_a_password_comes_from_a_private_file(tmp_path: Path) -> None:
    file = written(tmp_path / "password", f"{CANARY}\n".encode())
    broker = parse("mqtts://pi@host", file)
    assert broker.password is not None and broker.password.reveal() == CANARY
    assert CANARY not in f"{broker} {broker!r} {broker.password} {tuple(broker)}"
    with pytest.raises(Refused, match="needs a user name: write mqtts://user@host"):
        parse("mqtts://host", file)
    for mode in (0o640, 0o604):
        may_hold(file).chmod(mode)
        with pytest.raises(Refused, match=r"others may read the password file .* chmod 600"):
            parse("mqtts://pi@host", file)


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"secret", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\n\n# for the Pi\n", "secret"),
        (b"\xef\xbb\xbfsecret\r\n", "secret"),
        (b" two words \n", " two words "),
        (b"pass\x0cword\xc2\x85\n", "pass\x0cword\x85"),
        (b"x" * 65_535 + b"\r\nmore", "x" * 65_535),
    ],
)
def test_a_password_is_the_first_line(content: bytes, password: str, tmp_path: Path) -> None:
    """Of files as editors and password managers write them, among them those for Windows."""
    found = parse("mqtt://u@h", written(tmp_path / "password", content)).password
    assert found is not None and found.reveal() == password


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the first line of the password file .* is empty"),
        (b"\nsecret\n", "the first line of the password file .* is empty"),
        (b"\xef\xbb\xbf\r\n", "the first line of the password file .* is empty"),
        (b"p\xe4ss\n", "is not UTF-8 text"),
        ("secret\n".encode("utf-16"), "is not UTF-8 text"),
        (b"x" * 65_536, "longer than 65535 bytes"),
    ],
)
def test_a_file_without_a_password_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=reason):
        parse("mqtt://u@h", written(tmp_path / "password", content))


def test_a_secret_does_not_show() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {secret!s:>20} {[secret]}"
    assert secret.reveal() == CANARY
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="a secret cannot be pickled"):
            leave(BrokerAddress("host", 1883, password=secret))


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    file, gone = written(tmp_path / "file", b"x"), tmp_path / "gone"
    with pytest.raises(Refused, match=r"cannot read the password file '.*gone': No such file"):
        parse("mqtt://pi@host", gone)
    with pytest.raises(Refused, match=r"cannot read the password file .*: Is a directory"):
        parse("mqtt://pi@host", written_folder(tmp_path / "folder"))
    with pytest.raises(Refused, match="--ca-file needs TLS, and 'mqtt://host' has none"):
        parse("mqtt://host", None, file)
    with pytest.raises(Refused, match=r"cannot read the file of certificates '.*gone'"):
        parse("mqtts://host", None, gone)
    with pytest.raises(Refused, match="--cert-file needs TLS"):
        parse("mqtt://host", None, None, file, file)
    for one in ((file, None), (None, file)):
        with pytest.raises(Refused, match="go together"):
            parse("mqtts://host", None, None, *one)
    with pytest.raises(Refused, match=r"cannot read the certificate '.*gone'"):
        parse("mqtts://host", None, None, gone, file)
    with pytest.raises(Refused, match=r"the certificate '.*' is not a file"):
        parse("mqtts://host", None, None, tmp_path, file)
    with pytest.raises(Refused, match=r"cannot read the key file '.*gone'"):
        parse("mqtts://host", None, None, file, gone)
    with pytest.raises(Refused, match=r"others may read the key file .* chmod 600"):
        parse("mqtts://host", None, None, file, written(tmp_path / "key", b"x", 0o644))


def written_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def test_a_key_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    """OpenSSL would ask for it on the terminal, in the middle of a run."""
    own = Authority(tmp_path).sign("pi-5")
    address = parse("mqtts://host", None, own.certificate, own.certificate, own.key)
    assert (address.cert_file, address.key_file) == (own.certificate, own.key)
    for number, form in enumerate((("pkey",), ("ec",))):
        key = tmp_path / f"encrypted-{number}.pem"
        openssl(*form, "-in", own.key, "-aes256", "-passout", "pass:secret", "-out", key)
        key.chmod(0o600)
        with pytest.raises(Refused, match=r"the key file '.*' is encrypted"):
            check_key(key, Refused)
