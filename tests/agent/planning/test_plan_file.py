"""Plans of runs: what they say, that they go on after a reboot, and how they wait and report in between."""

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import cli
from agent.errors import AgentError, BadInput
from agent.machine.cooldown import cool_down, idle_celsius
from agent.machine.telemetry import Telemetry
from agent.planning.plan_file import Course, CourseFile, Timing, read_schedule
from agent.service import Service
from agent.stop import Stop

RUN = '[[run]]\nbundles = ["a", "b"]\nquestions = "q.json"\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "plan.toml"
    file.write_text(text)
    return file


def run_plan(plan: Path, *arguments: str | Path, **variables: str) -> Result:
    given = ["run-plan", str(plan), "--state-dir", str(plan.parent), *map(str, arguments)]
    return CliRunner(env=variables).invoke(cli, given)


def test_a_list_stands_for_a_run_with_each_of_its_values(tmp_path: Path) -> None:
    plan = written(tmp_path, f"rounds = 2\n{RUN}threads = [1, 4]\nspinning = false\n")
    schedule = read_schedule(plan, ["threads", "spinning"])
    assert schedule.timing.rounds == 2
    assert schedule.commands[1] == (
        str(tmp_path / "a"),
        *("--questions", str(tmp_path / "q.json")),
        *("--threads", "4", "--no-spinning"),
    )
    assert [Path(command[0]).name for command in schedule.commands] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it has no [[run]]"),
        ("round = 2\n" + RUN, "unknown key 'round': did you mean 'rounds'?"),
        (RUN + "thread = 2", "unknown key 'thread': did you mean 'threads'?"),
        (RUN + 'broker = "mqtt://x"', "unknown key 'broker'"),
        ("rounds = 0\n" + RUN, "rounds begin at 1"),
        ('rounds = "two"\n' + RUN, "Expected `int`, got `str`"),
        ('[[run]]\nbundles = "a"', "has no 'questions'"),
        (RUN + "limit = []", "'limit' is an empty list"),
        (RUN + "limit = [[1]]", "'limit' must be a text, a number"),
        ("rounds = 9999\n" + RUN, "19998 runs, and at most 10000"),
    ],
)
def test_what_is_wrong_in_a_plan_is_quoted(tmp_path: Path, text: str, complaint: str) -> None:
    plan = written(tmp_path, text)
    ended = run_plan(plan, "--check", "--to-file", tmp_path / "out")
    assert isinstance(ended.exception, AgentError)
    assert complaint in str(ended.exception)
    assert str(plan) in str(ended.exception)


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
        (good + 'limit = "few"', "'few' is not a valid integer"),
    ):
        ended = run_plan(written(tmp_path, good + bad), "--to-file", tmp_path / "out")
        assert isinstance(ended.exception, BadInput)
        assert complaint in str(ended.exception)
    assert not (tmp_path / "out").exists()


def selected(out: Path) -> list[int]:
    """How many questions each run in a file of results was to ask."""
    records = [record for line in out.read_text().splitlines() for record in json.loads(line)["records"]]
    return [record["questions"]["selected"] for record in records if record["type"] == "run_started"]


def test_a_plan_goes_on_where_it_was_and_ends(tmp_path: Path, tiny_bundle: Path, questions: Path) -> None:
    plan, out = plan_of(tmp_path, tiny_bundle, questions, "rounds = 2"), tmp_path / "out"
    file = CourseFile(tmp_path, plan)
    assert run_plan(plan, "--to-file", out, "--check").exit_code == 0
    assert file.read() is None
    ended = run_plan(plan, "--to-file", out)
    assert ended.exit_code == 0, ended.output
    assert selected(out) == [2, 3, 2, 3]
    course = file.read()
    assert course is not None and (course.done, course.failed) == (4, 0)

    through = run_plan(plan, "--to-file", out)
    assert "is through" in through.stderr
    assert selected(out) == [2, 3, 2, 3]

    file.write(Course(course.identity, course.began_at, done=3))  # as a reboot leaves it
    assert "going on with run 4 of 4" in run_plan(plan, "--to-file", out).stderr
    assert selected(out) == [2, 3, 2, 3, 3]

    plan.write_text(plan.read_text().replace("limit = [2, 3]", "limit = 4"))
    assert "has changed" in run_plan(plan, "--to-file", out).stderr
    assert selected(out) == [2, 3, 2, 3, 3, 4, 4]


def test_it_is_due_again_after_so_many_hours() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    course = Course("", began)
    assert not course.due(Timing(), began + timedelta(days=999))
    assert not course.due(Timing(every_hours=24), began + timedelta(hours=23))
    assert course.due(Timing(every_hours=24), began + timedelta(hours=24))
    assert not course.due(Timing(every_hours=24), began - timedelta(hours=48)), "a clock that is behind"


def test_a_damaged_course_begins_anew(tmp_path: Path) -> None:
    file = CourseFile(tmp_path, tmp_path / "plan.toml")
    file.write(Course("a", datetime.now(UTC)))
    (kept,) = tmp_path.glob("plan-*.json")
    kept.write_text('{"identity": ')
    assert file.read() is None


def machine(root: Path, celsius: float) -> Telemetry:
    zone = root / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True, exist_ok=True)
    (zone / "type").write_text("cpu-thermal")
    (zone / "temp").write_text(str(int(celsius * 1000)))
    return Telemetry(root)


def cooled(root: Path) -> None:
    machine(root, 45)


def test_a_cool_board_does_not_wait_and_a_hot_one_no_longer_than_allowed(tmp_path: Path) -> None:
    told: list[float] = []
    with Stop() as stop:
        assert cool_down(machine(tmp_path, 44), 45, 60, stop, told.append) == 44
        assert told == []
        assert cool_down(machine(tmp_path, 60), 45, 0.05, stop, told.append) == 60
        assert told == [60]
        assert cool_down(Telemetry(tmp_path / "none"), 45, 60, stop, told.append) is None
    assert idle_celsius(machine(tmp_path, 41)) == 41


def test_it_goes_on_as_soon_as_the_board_is_cool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.machine.cooldown.LOOK_SECONDS", 0.01)
    telemetry = machine(tmp_path, 60)
    with Stop() as stop:
        assert cool_down(telemetry, 45, 60, stop, lambda _: cooled(tmp_path)) == 45


def test_the_service_manager_hears_of_start_work_and_end(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(5)
        service = Service({"NOTIFY_SOCKET": str(address)})
        service.ready()
        service.alive("minilm-l6\nint8: 3 of 60 questions")
        service.stopping()
        heard = [manager.recv(1000).decode() for _ in range(3)]
    assert heard == ["READY=1", "WATCHDOG=1\nSTATUS=minilm-l6 int8: 3 of 60 questions", "STOPPING=1"]
    service.alive("nobody listens any more")
    Service({}).ready()


def test_a_run_feeds_the_watchdog_from_its_work_loop(
    tmp_path: Path, tiny_bundle: Path, questions: Path
) -> None:
    plan = plan_of(tmp_path, tiny_bundle, questions)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        listens = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        assert run_plan(plan, "--to-file", tmp_path / "out", **listens).exit_code == 0
        heard: list[str] = []
        while not heard or heard[-1] != "STOPPING=1":
            heard.append(manager.recv(1000).decode())
    assert "READY=1" in heard[1:3], "ready when the plan is checked, not before"
    assert any(line.startswith("WATCHDOG=1\nSTATUS=") and "of 3 questions" in line for line in heard)
