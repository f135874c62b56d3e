"""`agent run-plan`: checked as a whole, continued after a reboot, and known to the service manager."""

import json
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli import cli
from agent.errors import BadInput
from agent.planning.plan_file import Position, PositionFile


def written(folder: Path, text: str) -> Path:
    file = folder / "plan.toml"
    file.write_text(text)
    return file


def run_plan(plan: Path, *arguments: str | Path, **variables: str) -> Result:
    given = ["run-plan", str(plan), "--state-dir", str(plan.parent), *map(str, arguments)]
    return CliRunner(env=variables).invoke(cli, given)


def plan_of(folder: Path, bundle: Path, questions: Path, *lines: str) -> Path:
    run = (
        f'[[run]]\nbundles = "{bundle}"\nquestions = "{questions}"\nlimit = [2, 3]\nwarmup = 0\nthreads = 1\n'
    )
    return written(folder, "\n".join(lines) + "\n" + run)


def test_the_whole_plan_is_checked_before_anything_is_measured(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    good = f'[[run]]\nbundles = "{tiny_bundle}"\nquestions = "{questions}"\n'
    for bad, complaint in (
        (good.replace(str(tiny_bundle), "gone"), "there is no bundle"),
        (good.replace(str(questions), "gone"), "cannot read the questions"),
        (good + 'limit = "few"', "'--limit': 'few' is not a number of questions: write it like 300, or like"),
        (good + "limit = true", "'--limit': it takes a value, not true or false"),
        (good + 'limit = "3,big=2"', "--limit names 'big', but no bundle of this command has that model"),
        (good + "spinning = 3", "it takes true or false, not 3"),
        (good + 'until = "p99"\nscenario = "offline"', "--until cannot be used with --scenario offline"),
    ):
        ended = run_plan(written(tmp_path, good + bad), "--to-file", tmp_path / "out")
        assert isinstance(ended.exception, BadInput)
        assert complaint in str(ended.exception)
    assert not (tmp_path / "out").exists()


def records(out: Path) -> list[dict[str, Any]]:
    return [record for line in out.read_text().splitlines() for record in json.loads(line)["records"]]


def selected(out: Path) -> list[int]:
    """How many questions each run in a file of results was to ask."""
    return [record["questions"]["selected"] for record in records(out) if record["type"] == "run_started"]


def test_a_plan_without_a_place_for_results_is_wrong_usage(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    ended = run_plan(plan_of(tmp_path, tiny_bundle, questions), "--check")
    assert ended.exit_code == 2
    assert "Name where the results go" in ended.stderr


def test_the_check_prints_the_commands_that_the_plan_stands_for(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    plan = plan_of(tmp_path, tiny_bundle, questions)
    plan.write_text(plan.read_text() + "arena = false\nspinning = true\nignore-memory = [false, true]\n")
    ended = run_plan(plan, "--check", "--to-file", tmp_path / "out")
    assert ended.exit_code == 0, ended.output
    how = "--warmup 0 --threads 1 --no-arena --spinning"
    assert ended.stdout.splitlines() == [
        f"agent run {tiny_bundle} --questions {questions} --limit {limit} {how}{ignoring}"
        for limit in (2, 3)
        for ignoring in ("", " --ignore-memory")
    ]
    assert "1 round of 4 runs: nothing wrong" in ended.stderr


def test_a_value_of_the_plan_outranks_a_variable_and_a_variable_the_file(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    plan, out, config = plan_of(tmp_path, tiny_bundle, questions), tmp_path / "out", tmp_path / "agent.toml"
    config.write_text(f'seed = 5\nlimit = 9\narena = false\nto-file = "{out}"\n')
    variables = {"DISTILBENCH_SEED": "6", "DISTILBENCH_LIMIT": "8"}
    ended = run_plan(plan, "--config", config, "--device-id", "board", **variables)
    assert ended.exit_code == 0, ended.output
    assert selected(out) == [2, 3]
    started = next(record for record in records(out) if record["type"] == "run_started")
    assert started["settings"]["seed"] == 6
    assert started["settings"]["options"]["enable_cpu_mem_arena"] is False
    assert started["device"]["device_id"] == "board"


def test_a_run_that_cannot_be_started_does_not_end_the_plan(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    plan = plan_of(tmp_path, tiny_bundle, questions)
    out = tmp_path / "gone" / "out"
    out.parent.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.systemd_notify.Service.ready", lambda _: out.parent.rmdir())
        ended = run_plan(plan, "--to-file", out)
    assert ended.stderr.count("cannot start this run: the folder of") == 2
    assert "the plan is finished: 2 runs, 2 failed" in ended.stderr


def test_a_plan_goes_on_where_it_was_and_ends(tmp_path: Path, tiny_bundle: Path, questions: Path) -> None:
    plan, out = plan_of(tmp_path, tiny_bundle, questions, "rounds = 2"), tmp_path / "out"
    file = PositionFile(tmp_path, plan)
    assert run_plan(plan, "--to-file", out, "--check").exit_code == 0
    assert file.read(print) is None
    ended = run_plan(plan, "--to-file", out)
    assert ended.exit_code == 0, ended.output
    assert selected(out) == [2, 3, 2, 3]
    runs = re.findall(r"^run .+", ended.stderr, re.MULTILINE)
    assert runs[0] == "run 1 of 4"
    assert re.fullmatch(r"run 2 of 4, about \d+ s left if the other runs take as long", runs[1])
    assert re.fullmatch(r"run 4 of 4, about \d+ s left", runs[3])
    position = file.read(print)
    assert position is not None and (position.done, position.failed) == (4, 0)
    assert position.seconds.keys() == {0, 1}

    finished = run_plan(plan, "--to-file", out)
    assert "is finished; use --again" in finished.stderr
    assert selected(out) == [2, 3, 2, 3]

    file.write(Position(position.identity, position.began_at, done=3))  # as a reboot leaves it
    assert "continuing with run 4 of 4" in run_plan(plan, "--to-file", out).stderr
    assert selected(out) == [2, 3, 2, 3, 3]
    resumed = file.read(print)
    assert resumed is not None and not resumed.seconds, "it may have begun before the reboot"

    plan.write_text(plan.read_text().replace("limit = [2, 3]", "limit = 4"))
    assert "has changed" in run_plan(plan, "--to-file", out).stderr
    assert selected(out) == [2, 3, 2, 3, 3, 4, 4]


def test_f12_a_plan_that_began_while_the_clock_was_fast_is_due_once_it_is_right(
    tmp_path: Path, tiny_bundle: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, tiny_bundle, questions, "every-hours = 24")
    file = PositionFile(tmp_path, plan)
    begun: list[Position] = []

    def measured(runs: object, timing: object, file: object, position: Position, service: object) -> int:
        begun.append(position)
        return 0

    monkeypatch.setattr("agent.commands.run_plan._work_through", measured)
    run_plan(plan, "--to-file", tmp_path / "out")
    file.write(Position(begun[0].identity, datetime(2041, 5, 1, tzinfo=UTC), done=2))
    for right, said in ((False, "the plan that started at 2041-05-01 00:00 UTC is finished"), (True, "")):
        monkeypatch.setattr("commandline.clock.synchronised", lambda right=right: right)
        ended = run_plan(plan, "--to-file", tmp_path / "out")
        assert ended.exit_code == 0 and said in ended.stderr
    assert [position.done for position in begun] == [0, 0]
    assert begun[1].began_at < datetime.now(UTC) + timedelta(minutes=1)


def test_a_run_feeds_the_watchdog_from_its_work_loop(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    plan = plan_of(tmp_path, tiny_bundle, questions)
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(120)

        def listen() -> None:
            while not heard or heard[-1] != "STOPPING=1":
                heard.append(manager.recv(1000).decode())

        # It reads while the plan runs, as systemd does: a socket holds ten datagrams and drops the rest.
        listening = threading.Thread(target=listen, daemon=True)
        listening.start()
        listens = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        assert run_plan(plan, "--to-file", tmp_path / "out", **listens).exit_code == 0
        listening.join(120)
    assert heard[-1] == "STOPPING=1"
    assert "READY=1" in heard[1:3], "ready when the plan is checked, not before"
    assert any(line.startswith("WATCHDOG=1\nSTATUS=") and "of 3 questions" in line for line in heard)


def test_rounds_of_the_plan_repeat_its_runs_and_rounds_of_a_run_are_its_option(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    plan = plan_of(tmp_path, tiny_bundle, questions, "rounds = 2")
    plan.write_text(plan.read_text() + "rounds = 3\n")
    ended = run_plan(plan, "--check", "--to-file", tmp_path / "out")
    assert ended.exit_code == 0, ended.output
    commands = ended.stdout.splitlines()
    assert len(commands) == 2 and all("--rounds 3" in command for command in commands)
    assert "2 rounds of 2 runs: nothing wrong" in ended.stderr


def test_bundles_of_a_run_take_turns_in_its_rounds(
    tmp_path: Path, tiny_bundle: Path, tiny_bundle_int8: Path, questions: Path
) -> None:
    bundles = f'bundles = ["{tiny_bundle}", "{tiny_bundle_int8}"]\nquestions = "{questions}"\n'
    run = f"[[run]]\n{bundles}limit = 30\nwarmup = 0\nthreads = 1\n"
    plan, out = written(tmp_path, f"rounds = 2\n{run}rounds = 3\n"), tmp_path / "out"
    checked = run_plan(plan, "--to-file", out, "--check")
    assert f"agent run {tiny_bundle} {tiny_bundle_int8} --questions" in checked.stdout
    assert "2 rounds of 1 run: nothing wrong" in checked.stderr
    ended = run_plan(plan, "--to-file", out)
    assert ended.exit_code == 0, ended.output
    assert "the plan is finished: 2 runs, 0 failed" in ended.stderr
    kinds = [record["type"] for record in records(out)]
    assert kinds.count("run_finished") == 4 and kinds.count("round_finished") == 12
    assert "continuing" not in ended.stderr, "every run again"
    assert ended.stderr.count("2 bundles take turns in 3 rounds of 10 questions: ") == 2
    assert ended.stderr.count("detectable difference in time: ") == 2


@pytest.mark.parametrize("how", ['scenario = "offline"', "rounds = 1"])
def test_bundles_that_take_no_turns_are_runs_of_their_own_with_pauses_in_between(
    tmp_path: Path, tiny_bundle: Path, tiny_bundle_int8: Path, questions: Path, how: str
) -> None:
    bundles = f'bundles = ["{tiny_bundle}", "{tiny_bundle_int8}"]\nquestions = "{questions}"\n'
    plan = written(tmp_path, f"[[run]]\n{bundles}{how}\n")
    checked = run_plan(plan, "--to-file", tmp_path / "out", "--check")
    assert [line.split()[2] for line in checked.stdout.splitlines()] == [
        str(tiny_bundle),
        str(tiny_bundle_int8),
    ]
    assert "1 round of 2 runs: nothing wrong" in checked.stderr


@pytest.mark.parametrize("where", ["plan", "variable"])
@pytest.mark.parametrize(("limits", "own"), [("3,tiny-int8=2", [3, 2]), ("tiny-int8=2", [60, 2])])
def test_bundles_that_are_runs_of_their_own_keep_their_own_limits(
    tmp_path: Path,
    tiny_bundle: Path,
    tiny_bundle_int8: Path,
    questions: Path,
    where: str,
    limits: str,
    own: list[int],
) -> None:
    bundles = f'bundles = ["{tiny_bundle}", "{tiny_bundle_int8}"]\nquestions = "{questions}"\n'
    line = f'limit = "{limits}"\n' if where == "plan" else ""
    plan = written(tmp_path, f"cool-down-minutes = 0\n[[run]]\n{bundles}{line}rounds = 1\nwarmup = 0\n")
    variables = {} if where == "plan" else {"DISTILBENCH_LIMIT": limits}
    ended = run_plan(plan, "--to-file", tmp_path / "out", **variables)
    assert ended.exit_code == 0, ended.output
    assert selected(tmp_path / "out") == own
    assert "the plan is finished: 2 runs, 0 failed" in ended.stderr
