"""What is kept of earlier commands."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.planning.history import HISTORY_FILE, History, Pace
from agent.planning.plan import Plan, plan_run, read_questions, settings_for


@pytest.fixture
def plan(tiny_bundle: Path, questions: Path) -> Plan:
    bundle = describe(tiny_bundle)
    return plan_run(inspect_device("d"), bundle, read_questions(questions), settings_for(bundle, threads=1))


def changed(plan: Plan, **changes: object) -> Plan:
    return plan._replace(settings=replace(plan.settings, **changes))


def test_a_pace_is_of_the_same_bundle_questions_machine_and_way_of_asking(plan: Plan, tmp_path: Path) -> None:
    pace = Pace(start_ns=5, question_ns=7)
    History(tmp_path).add([(plan, pace)], None, 1)
    kept = History(tmp_path)
    assert kept.pace(plan) == pace
    assert kept.pace(changed(plan, limit=5, rounds=2, seed=9, warmup_questions=0)) == pace
    assert kept.pace(changed(plan, threads=2)) is None
    assert kept.pace(changed(plan, turns=6)) is None
    assert kept.pace(changed(plan, scenario="offline", batch_size=8)) is None
    assert kept.pace(plan._replace(device=replace(plan.device, cpu_model="another"))) is None
    assert kept.pace(plan._replace(bundle=plan.bundle._replace(sha256="0" * 64))) is None


def test_a_newer_pace_replaces_an_older_one(plan: Plan, tmp_path: Path) -> None:
    History(tmp_path).add([(plan, Pace(start_ns=5, question_ns=7))], None, 1)
    History(tmp_path).add([(plan, Pace(start_ns=6, question_ns=8))], None, 1)
    assert History(tmp_path).pace(plan) == Pace(start_ns=6, question_ns=8)


def test_the_median_of_the_latest_spreads_counts(tmp_path: Path) -> None:
    assert History(tmp_path).spread(1) is None
    for spread in (0.02, 0.5, 0.03):
        History(tmp_path).add([], spread, 1)
        History(tmp_path).add([], None, 1)
    assert History(tmp_path).spread(1) == 0.03
    assert History(tmp_path).spread(6) is None, "with turns, rounds differ less"
    History(tmp_path).add([], 0.7, 6)
    assert (History(tmp_path).spread(1), History(tmp_path).spread(6)) == (0.03, 0.7)
    for _ in range(20):
        History(tmp_path).add([], 0.01, 1)
    assert b"0.5" not in (tmp_path / HISTORY_FILE).read_bytes()
    assert History(tmp_path).spread(1) == 0.01


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"paces": 3}',
        b'{"spreads": ["x"]}',
        b'{"paces": {"\xff": 1}}',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_started_over(tmp_path: Path, plan: Plan, content: bytes) -> None:
    (tmp_path / HISTORY_FILE).write_bytes(content)
    history = History(tmp_path)
    assert (history.spread(1), history.pace(plan)) == (None, None)
    history.add([(plan, Pace(start_ns=5, question_ns=7))], None, 1)
    assert History(tmp_path).pace(plan) is not None


def test_a_folder_that_cannot_be_written_costs_only_the_estimate(tmp_path: Path, plan: Plan) -> None:
    History(tmp_path / "gone").add([(plan, Pace(start_ns=5, question_ns=7))], None, 1)
