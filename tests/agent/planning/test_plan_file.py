"""Plans of runs: their files, and how far a plan is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors import BadInput
from agent.planning.plan_file import Position, PositionFile, identity_of, read_schedule
from contract.orders.plan import Timing

RUN = '[[run]]\nbundles = ["a", "b"]\nquestions = "q.json"\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "plan.toml"
    file.write_text(text)
    return file


def test_a_list_stands_for_a_run_with_each_of_its_values(tmp_path: Path) -> None:
    plan = written(tmp_path, f"rounds = 2\n{RUN}threads = [1, 4]\nspinning = false\n")
    schedule = read_schedule(plan, ["threads", "spinning"])
    assert schedule.timing.rounds == 2
    assert schedule.runs[1] == {
        "bundles": (str(tmp_path / "a"), str(tmp_path / "b")),
        "questions": str(tmp_path / "q.json"),
        "threads": 4,
        "spinning": False,
    }
    assert [run["threads"] for run in schedule.runs] == [1, 4], "the bundles stay together"


def test_the_canaries_of_a_run_are_a_path_too_and_need_not_be_given(tmp_path: Path) -> None:
    plan = written(tmp_path, f'{RUN}canary = "canaries.json"\n')
    (run,) = read_schedule(plan, ["canary"]).runs
    assert run["canary"] == str(tmp_path / "canaries.json")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it has no [[run]]"),
        ("round = 2\n" + RUN, "unknown key 'round': did you mean 'rounds'?"),
        (RUN + "thread = 2", "unknown key 'thread': did you mean 'threads'?"),
        (RUN + 'broker = "mqtt://x"', "unknown key 'broker'"),
        ("rounds = 0\n" + RUN, "rounds must be at least 1"),
        ('rounds = "two"\n' + RUN, "Expected `int`, got `str`"),
        ('[[run]]\nbundles = "a"', "has no 'questions'"),
        (RUN + "limit = []", "'limit' is an empty list"),
        (RUN + "limit = [[1]]", "'limit' must be a text, a number"),
        ('[[run]]\nbundles = true\nquestions = "q"', "'bundles' must be a path"),
        (RUN.replace('"q.json"', '["q.json", false]'), "'questions' must be a path"),
        ("rounds = 9999\n" + RUN + "threads = [1, 4]", "19998 runs, but at most 10000"),
    ],
)
def test_what_is_wrong_in_a_plan_is_quoted(tmp_path: Path, text: str, complaint: str) -> None:
    plan = written(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        read_schedule(plan, ["threads", "limit"])
    assert complaint in str(caught.value)
    assert str(plan) in str(caught.value)


def test_a_plan_in_progress_is_still_the_same_after_an_upgrade() -> None:
    commands = [("/plans/a", "--questions", "/plans/q.json", "--limit", "2", "--no-spinning")]
    found = identity_of(commands, 2, ["f00d", "beef"])
    assert found == "9e624552643b741a2b8f8d40fc9e0d9c6d01a4b8ec8627aaf576d12bed87cdd6"


def test_it_is_due_again_every_so_often() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    position = Position("", began)
    assert not position.due(Timing(), began + timedelta(days=999))
    assert not position.due(Timing(every_hours=24), began + timedelta(hours=23))
    assert position.due(Timing(every_hours=24), began + timedelta(hours=24))
    before = began - timedelta(hours=48)
    assert not position.due(Timing(every_hours=24), before, clock_is_right=False), "the clock is slow"
    assert position.due(Timing(every_hours=24), before), "the clock was fast when the plan began"
    assert not position.due(Timing(every_hours=24), began - timedelta(minutes=1)), "the clock was set"
    assert not position.due(Timing(), before)


def test_a_damaged_position_starts_the_plan_over(tmp_path: Path) -> None:
    file = PositionFile(tmp_path, tmp_path / "plan.toml")
    file.write(Position("a", datetime.now(UTC)))
    (kept,) = tmp_path.glob("plan-*.json")
    without_zone = b'{"identity":"a","began_at":"2026-01-01T00:00:00"}'
    negative = b'{"identity":"a","began_at":"2026-01-01T00:00:00Z","done":-1}'
    for damage in (b'{"identity": ', b"", b"\xff\xfe", without_zone, negative):
        said: list[str] = []
        kept.write_bytes(damage)
        assert file.read(said.append) is None
        (aside,) = tmp_path.glob("plan-*.damaged-*")
        assert aside.read_bytes() == damage
        assert said == [f"the position in the plan was damaged and moved to '{aside}': starting over"]
        aside.unlink()
        assert file.read(said.append) is None and len(said) == 1
