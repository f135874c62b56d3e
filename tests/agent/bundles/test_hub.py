"""Bundles and questions by name, from a real hub that this machine has joined."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import installed
from tests.agent.conftest import Agent
from tests.agent.serving.test_serve import Serving
from tests.canary import made
from tests.collector.hub.running_hub import RunningHub, files_in
from tests.collector.hub.wheels.fake_wheels import wheel_folder

pytestmark = pytest.mark.broker

QUESTIONS = {
    "data": [
        {
            "title": "song",
            "paragraphs": [
                {
                    "context": "Ann sang.",
                    "qas": [
                        {"id": "1", "question": "Who sang?", "answers": [{"text": "Ann", "answer_start": 0}]}
                    ],
                }
            ],
        }
    ]
}


class Joined(NamedTuple):
    """A hub, and the configuration of a device that has joined it."""

    hub: RunningHub
    config: Path


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[Joined]:
    installed.module("cryptography")
    folder = tmp_path_factory.mktemp("joined")
    shutil.copytree(tiny_bundle, folder / "bundles" / "tiny")
    (folder / "songs.json").write_text(json.dumps(QUESTIONS))
    shared = ("--bundles", folder / "bundles", "--questions", folder / "songs.json")
    wheels = ("--wheels", wheel_folder(folder / "wheelhouse"))
    with RunningHub(folder / "hub", *shared, *wheels) as hub:
        given = files_in(hub.join(hub.invite("--name", "pi-5").secret, "pi-5"))
        made(given["password"].strip())
        settings = folder / "settings"
        settings.mkdir()
        for name, text in given.items():
            (settings / name).write_text(text)
        (settings / "password").chmod(0o600)
        yield Joined(hub, settings / "agent.toml")


def test_names_are_fetched_into_the_state_folder(joined: Joined, agent: Agent, state_dir: Path) -> None:
    done = agent("fetch", "tiny", "songs.json", "--config", joined.config)
    bundle, questions = state_dir / "bundles" / "tiny", state_dir / "questions" / "songs.json"
    assert (done.returncode, done.stdout) == (0, f"{bundle}\n{questions}\n"), done.stderr
    assert {path.name for path in bundle.iterdir()} >= {"manifest.json", "model.onnx"}
    assert "Who sang?" in questions.read_text()
    assert '"Ann"' not in questions.read_text(), "gold answers stay at the hub"
    again = agent("fetch", "tiny", "songs.json", "--config", joined.config)
    assert again.stderr.count("already there and verified") == 2


def test_a_name_that_the_hub_does_not_have_is_answered_by_those_that_it_has(
    joined: Joined, agent: Agent
) -> None:
    for name, sentence in (
        ("tyni", "agent: the hub has no bundles named 'tyni'; it has: tiny\n"),
        ("song.json", "agent: the hub has no questions named 'song.json'; it has: songs.json\n"),
    ):
        done = agent("fetch", name, "--config", joined.config)
        assert (done.returncode, done.stderr) == (1, sentence)


def test_a_hub_whose_address_has_changed_is_found_at_another_one(
    joined: Joined, agent: Agent, tmp_path: Path, state_dir: Path
) -> None:
    shutil.copytree(joined.config.parent, tmp_path / "moved")
    file = tmp_path / "moved" / "hub.toml"
    text = file.read_text()
    # The certificate is not for 127.0.0.9: as if another machine had the address now.
    for host in ("nobody.invalid", "127.0.0.9"):
        file.write_text(text.replace('url = "https://127.0.0.1:', f'url = "https://{host}:'))
        done = agent("fetch", "songs.json", "--config", tmp_path / "moved" / "agent.toml")
        assert done.returncode == 0, done.stderr
        assert (state_dir / "questions" / "songs.json").exists()
    file.write_text(re.sub("addresses = .*", "addresses = []", file.read_text()))
    lost = agent("fetch", "songs.json", "--config", tmp_path / "moved" / "agent.toml")
    assert lost.returncode == 1
    assert "the hub cannot be reached at any of its addresses" in lost.stderr


@pytest.mark.parametrize("host", ["nobody.invalid", "127.0.0.9"])
def test_results_go_to_a_hub_whose_address_has_changed(
    joined: Joined, tmp_path: Path, state_dir: Path, host: str
) -> None:
    shutil.copytree(joined.config.parent, tmp_path / "moved")
    config = tmp_path / "moved" / "agent.toml"
    config.write_text(config.read_text().replace("@127.0.0.1:", f"@{host}:"))
    assert host in config.read_text()
    serving = Serving(state_dir, "--config", config)
    try:
        serving.wait_for(f"connected to mqtts://127.0.0.1:{joined.hub.mqtt_port} as 'pi-5'")
        assert host in serving.said.read_text(), "it has tried the old address first"
        assert serving.end() == 0
    finally:
        serving.process.kill()
        serving.process.wait()


def test_a_hub_with_another_authority_or_without_this_device_is_refused(
    joined: Joined, agent: Agent, tmp_path: Path
) -> None:
    shutil.copytree(joined.config.parent, tmp_path / "other")
    config = tmp_path / "other" / "agent.toml"
    (tmp_path / "other" / "password").write_text(f"{made('another-password')}\n")
    done = agent("fetch", "tiny", "--config", config)
    assert done.returncode == 1
    assert "answers 401" in done.stderr
    certificate = (joined.hub.folder / "server.crt").read_text()
    (tmp_path / "other" / "ca.crt").write_text(certificate.partition("-----END CERTIFICATE-----")[0])
    damaged = agent("fetch", "tiny", "--config", config)
    assert damaged.returncode == 1
    assert "cannot be used" in damaged.stderr


def test_a_machine_that_has_joined_no_hub_is_told_how(agent: Agent) -> None:
    done = agent("fetch", "tiny")
    assert (done.returncode, done.stderr) == (
        1,
        "agent: 'tiny' is not a URL, and this machine has joined no hub: write http://host/NAME, or join a "
        "hub with a line of 'collector invite'\n",
    )
