import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.machine.device import core_list, usable_core_numbers
from agent.outbox.folder_lock import locked
from agent.outbox.state_folder import StateFolder
from contract.device import Device
from tests.agent.conftest import SAMPLE_QUESTIONS, Agent, agent_command, agent_environment
from tests.cpu_time import relative_cpu_time
from tests.mosquitto import free_port


def test_help_is_quick_and_light(state_dir: Path) -> None:
    script = "import sys, agent.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        env=agent_environment(state_dir),
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"numpy", "onnxruntime", "paho", "tokenizers", "sqlite3"}
    assert not heavy & {name.split(".")[0] for name in loaded.stdout.split()}
    assert relative_cpu_time(agent_command("--help"), agent_environment(state_dir)) < 8


def test_an_answer_is_json(agent: Agent, reader_bundle: Path) -> None:
    context = "The tower was drawn by Ines Cabral in 1911."
    ended = agent("answer", reader_bundle, "--question", "Who drew the tower?", "--context", context)
    assert ended.returncode == 0, ended.stderr
    output = json.loads(ended.stdout)
    assert output["answer"] == context[output["start"] : output["end"]] == "Ines Cabral"
    assert 0.5 < output["confidence"] <= 1.0
    assert min(output[name] for name in ("load_ns", "tokenize_ns", "infer_ns", "decode_ns")) > 0


def test_control_characters_do_not_reach_the_terminal(agent: Agent, reader_bundle: Path) -> None:
    context = "Ada\x9b31m wrote it.\x1b[2J"
    ended = agent("answer", reader_bundle, "--question", "Who wrote it?", "--context", context)
    assert ended.stdout.replace("\n", "").isprintable()
    assert json.loads(ended.stdout)["answer"] in context


def test_the_device_is_json_and_keeps_its_name(agent: Agent, state_dir: Path) -> None:
    first, again = agent("device"), agent("device")
    assert first.stdout == again.stdout
    device = msgspec.json.decode(first.stdout, type=Device)
    assert device.device_id == StateFolder(state_dir).device_id(None)
    named = agent("device", "--device-id", "kitchen-pi", "--hardware-class", "raspberry-pi-5")
    device = msgspec.json.decode(named.stdout, type=Device)
    assert (device.device_id, device.hardware_class) == ("kitchen-pi", "raspberry-pi-5")


def test_squad_2_is_measured_by_its_answerable_questions(
    agent: Agent, reader_bundle: Path, tmp_path: Path
) -> None:
    file = json.loads(SAMPLE_QUESTIONS.read_text())
    asked = file["data"][0]["paragraphs"][0]["qas"]
    for qa in asked[1:]:
        qa |= {"is_impossible": True, "answers": []}
    file["data"] = [{"paragraphs": [{**file["data"][0]["paragraphs"][0], "qas": asked}]}]
    questions, results = tmp_path / "q.json", tmp_path / "r.jsonl"
    questions.write_text(json.dumps(file), encoding="utf-16")
    words = ("run", reader_bundle, "--questions", questions, "--warmup", "0", "--to-file", results)
    refused = agent(*words)
    assert refused.returncode == 1 and "--answerable-only" in refused.stderr
    ended = agent(*words, "--answerable-only")
    assert ended.returncode == 0, ended.stderr
    left = f"left out {len(asked) - 1} of {len(asked)} questions, which have no answer"
    assert left in ended.stderr
    assert results.read_text().count('"type":"answer"') == 1


def test_status_makes_nothing(tmp_path: Path) -> None:
    ended = CliRunner(env={"XDG_STATE_HOME": str(tmp_path / "state")}).invoke(cli, ["status"])
    assert (ended.exit_code, ended.stdout.split()[:2]) == (0, ["pending", "0"])
    assert list(tmp_path.iterdir()) == []


def test_status_of_an_empty_outbox(agent: Agent) -> None:
    assert agent("status").stdout == (
        "pending     0\ndropped     0\nunfinished  0 runs\ndelivery    never tried\n"
    )
    output = json.loads(agent("status", "--json").stdout)
    assert (output["pending"], output["oldest"], output["dropped"], output["refused"]) == (0, None, 0, [])
    assert (output["unfinished_runs"], output["link"], output["limit_bytes"]) == (0, "never tried", None)


@pytest.mark.parametrize(
    ("content", "quoted"),
    [
        (None, "cannot read the questions"),
        (b"", "is empty"),
        (b'{"data": []}', "holds no question"),
        (b'{"data": [{"paragraphs": [{"qas": []}]}]}', "holds no question"),
        (
            b'{"data": [{"paragraphs": [{"qas": [{"id": 1, "question": "?"}]}]}]}',
            "has no `context` at $.data[0]",
        ),
        (b'[{"id": 1, "question": "?", "context": "", "is_impossible": true}]', "--answerable-only"),
        (b"PAR1", "is a Parquet file: 'export-models questions squad --from' converts"),
        (b"\x1b[31m", "is not valid JSON"),
    ],
)
def test_a_wrong_question_file_is_reported(
    agent: Agent, tiny_bundle: Path, tmp_path: Path, content: bytes | None, quoted: str
) -> None:
    path = tmp_path / "wrong.json"
    if content is not None:
        path.write_bytes(content)
    fails_in_one_sentence(
        agent("run", tiny_bundle, "--questions", path, "--to-file", tmp_path / "out"), quoted, "wrong.json"
    )


def test_wrong_input_is_reported(agent: Agent, tiny_bundle: Path, tmp_path: Path) -> None:
    to_file = ("--questions", SAMPLE_QUESTIONS, "--to-file", tmp_path / "out")
    fails_in_one_sentence(agent("run", tmp_path / "no-such", *to_file), "there is no bundle at", "no-such")
    fails_in_one_sentence(agent("run", tmp_path, *to_file), "is not a bundle")
    ended = agent("run", tiny_bundle, *to_file, "--device-id", "Küche\x1b")
    assert ended.returncode == 2
    assert "Invalid value for '--device-id': 'Küche?' is not a device id" in ended.stderr
    fails_in_one_sentence(
        agent("run", tiny_bundle, "--questions", SAMPLE_QUESTIONS, "--to-file", tmp_path / "no" / "out"),
        "the folder of",
    )
    for question, context, option in (("Who?", " ", "--context"), ("", "Ada wrote it.", "--question")):
        ended = agent("answer", tiny_bundle, "--question", question, "--context", context)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"{option} is empty" in ended.stderr
    wordy = shutil.copytree(tiny_bundle, tmp_path / "wordy")
    manifest = json.loads((wordy / "manifest.json").read_text())
    manifest["recipe"] = {"notes": "x" * 200_000}
    (wordy / "manifest.json").write_text(json.dumps(manifest))
    fails_in_one_sentence(agent("run", wordy, *to_file), "can be sent with its results", "wordy")


def test_an_unreachable_broker_is_reported_and_results_are_kept(agent: Agent, tiny_bundle: Path) -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    ended = agent(
        *("run", tiny_bundle, "--questions", SAMPLE_QUESTIONS, "--limit", "3"),
        *("--broker", broker, "--flush-seconds", "0.2"),
    )
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"agent: cannot reach {broker}: Connection refused")
    assert "results are kept" in last
    assert json.loads(agent("status", "--json").stdout)["pending"] >= 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "bundle", "--questions", "q.json"),
        ("run", "bundle", "--questions", "q.json", "--broker", "mqtt://x", "--to-file", "f"),
        ("run", "--questions", "q.json", "--to-file", "f"),
        ("run", "bundle", "--questions", "q.json", "--to-file", "f", "--limit", "0"),
        ("flush",),
        ("fly",),
    ],
)
def test_wrong_usage_exits_with_2(agent: Agent, arguments: tuple[str, ...]) -> None:
    ended = agent(*arguments)
    assert ended.returncode == 2
    assert "Error: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_state_folder_that_cannot_be_used_is_reported(
    agent: Agent, tiny_bundle: Path, state_dir: Path, tmp_path: Path
) -> None:
    command = ("run", tiny_bundle, "--questions", SAMPLE_QUESTIONS, "--to-file", tmp_path / "out")
    with locked(StateFolder(state_dir).path):
        fails_in_one_sentence(agent(*command), "another agent is working with the state folder")
    (state_dir / "outbox.db").write_bytes(b"no database" * 1000)
    fails_in_one_sentence(agent("status"), "file is not a database", "outbox.db")
    shutil.rmtree(state_dir)
    state_dir.write_text("a file")
    fails_in_one_sentence(agent(*command), "cannot use the state folder")


def test_results_of_another_device_are_not_sent_in_its_name(
    agent: Agent, tiny_bundle: Path, tmp_path: Path
) -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    run = ("run", tiny_bundle, "--questions", SAMPLE_QUESTIONS, "--limit", "1")
    agent(*run, "--broker", broker, "--flush-seconds", "0", "--device-id", "attic")
    fails_in_one_sentence(
        agent("flush", "--to-file", tmp_path / "out", "--device-id", "cellar"),
        "results of the device 'attic' wait",
        "--device-id attic",
    )
    assert agent("flush", "--to-file", tmp_path / "out", "--device-id", "attic").returncode == 0


def test_progress_is_drawn_on_a_terminal_only(
    state_dir: Path, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    command = agent_command("run", tiny_bundle, "--questions", questions, "--to-file", tmp_path / "out")
    with subprocess.Popen(command, env=agent_environment(state_dir), stderr=theirs) as process:
        os.close(theirs)
        output = b""
        try:
            while part := os.read(ours, 4096):
                output += part
        except OSError:  # how a terminal ends on Linux
            os.close(ours)
    assert process.returncode == 0
    assert b"60 of 60 questions, p50 " in output
    assert output.endswith(b"60 questions answered\r\n")


def test_messages_of_a_run_are_quiet_or_json_if_asked(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    run = ("run", tiny_bundle, "--questions", questions, "--limit", "3", "--rounds", "1")
    detailed = agent(*run, "--to-file", tmp_path / "a", "-v", "--log-format", "json")
    assert detailed.returncode == 0, detailed.stderr
    said = [json.loads(line) for line in detailed.stderr.splitlines()]
    assert {"time", "level", "message"} == set(said[0])
    assert "debug" in {line["level"] for line in said}
    assert any("3 questions answered" in line["message"] for line in said)
    quiet = agent(*run, "--to-file", tmp_path / "b", "--quiet")
    assert quiet.returncode == 0
    assert all(line.startswith("warning: ") for line in quiet.stderr.splitlines())
    gone = agent(*run, "--to-file", tmp_path / "no" / "c", "--log-format", "json")
    assert gone.returncode == 1
    (line,) = [json.loads(line) for line in gone.stderr.splitlines()]
    assert (line["level"], line["message"][:7]) == ("error", "agent: ")


def test_a_reader_that_leaves_early_is_not_complained_about(state_dir: Path) -> None:
    with subprocess.Popen(
        agent_command("device"),
        env=agent_environment(state_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def fails_in_one_sentence(ended: subprocess.CompletedProcess[str], *quoted: str) -> None:
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert all(text in ended.stderr for text in quoted), ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.rstrip("\n").isprintable()


def test_cores_that_the_machine_does_not_have_are_refused(
    agent: Agent, tiny_bundle: Path, questions: Path
) -> None:
    usable = usable_core_numbers()
    wanted = f"0-{max(usable) + 98}"
    refused = agent("run", tiny_bundle, "--questions", questions, "--affinity", wanted, "--to-file", "x")
    assert refused.returncode == 2
    sentence = f"{wanted!r} cannot be used: this machine has cores {core_list(usable)}."
    assert sentence in " ".join(refused.stderr.split())
