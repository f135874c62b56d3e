import json
import math
import re
from pathlib import Path
from statistics import fmean, stdev

import pytest
from msgspec.structs import replace

from collector.comparison.notes import NOT_TOLD_APART, WITHIN_ONE_RUN
from collector.errors import BadInput
from collector.regression.changes import Change, Regression
from collector.regression.limits import parse_limits
from collector.regression.regression import compare_runs
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Weights
from contract.records import Record, RunStarted
from tests.collector.command import invoked
from tests.collector.delivering import take
from tests.collector.factory import (
    answer,
    batch,
    device,
    finished,
    manifest,
    round_finished,
    round_started,
    run_records,
    started,
)

MORNING = "1d" * 8
STEADY = (1.0, 1.01, 0.99, 1.0, 1.0)
OLD, NEW, OTHER = "0a" + "1" * 30, "0b" + "2" * 30, "0c" + "3" * 30
RIGHT = [("q1", "the North Sea", 10.0), ("q2", "1,094 km", 12.0), ("q3", "Dresden and Hamburg", 14.0)]
SLOWER = [(question, text, 1.5 * ms) for question, text, ms in RIGHT]


@pytest.fixture
def filled(store_with_golds: Store) -> Store:
    take(store_with_golds, batch(run_records(RIGHT), OLD))
    take(store_with_golds, batch(run_records(SLOWER, on=device(versions={"python": "3.14.0"})), NEW))
    noise = manifest(weights=Weights(origin="random", source="seed 1"))
    take(store_with_golds, batch(run_records(RIGHT, noise), OTHER))
    score_answers(store_with_golds)
    return store_with_golds


def changes(found: Regression) -> dict[str, float]:
    return {change.metric: change.change for change in found.changes}


def test_changes_by_hand(filled: Store) -> None:
    found = compare_runs(filled, "0a", "0b", ())
    assert (found.before, found.after, found.questions) == (OLD, NEW, 3)
    assert found.unlike == ("python 3.13.5 → python 3.14.0",)
    assert found.notes == (NOT_TOLD_APART,)
    assert changes(found) == pytest.approx(
        {
            **dict.fromkeys(("time", "p50", "p90", "p99"), 50.0),
            **dict.fromkeys(("load", "memory", "em", "f1"), 0.0),
        }
    )
    p50 = next(change for change in found.changes if change.metric == "p50")
    assert (p50.before, p50.after, p50.significant, p50.interval) == (12.0, 18.0, None, None)
    f1 = next(change for change in found.changes if change.metric == "f1")
    assert (f1.before, f1.significant) == (100.0, False)


def test_a_run_against_itself_changes_nothing(store_with_golds: Store) -> None:
    rounds(store_with_golds, OLD, MORNING, *STEADY)
    found = compare_runs(store_with_golds, OLD, OLD, parse_limits("time>0%,p50>0%,load>0%,memory>0%"))
    assert set(changes(found).values()) == {0.0}
    assert {judged.verdict.outcome for judged in found.limits} == {"passes"}
    assert (found.unlike, found.notes) == ((), ())


def test_a_time_without_an_interval_decides_nothing(filled: Store) -> None:
    found = compare_runs(filled, "0a", "0b", parse_limits("p50>60%,time>60%,memory>5%,em<-1"))
    outcomes = [judged.verdict.outcome for judged in found.limits]
    assert outcomes == ["not decided", "not decided", "passes", "not decided"]


def test_a_change_that_may_be_chance_breaks_no_limit(filled: Store) -> None:
    wrong = [("q1", "Dresden", 10.0), *RIGHT[1:]]
    take(filled, batch(run_records(wrong), "0d" + "4" * 30))
    score_answers(filled)
    found = compare_runs(filled, "0a", "0d", parse_limits("em<-1"))
    em = next(change for change in found.changes if change.metric == "em")
    (limit,) = found.limits
    assert (round(em.change), em.significant, limit.verdict.outcome) == (-33, False, "not decided")


def rounds(
    store: Store, run_id: str, epoch: str, *slower: float, questions: int = 24, **settings: object
) -> None:
    """Ingest a run of as many rounds as there are factors, of the command that an epoch identifies."""
    first = replace(started(), epoch=epoch)
    first = replace(
        first,
        questions=replace(first.questions, selected=questions * len(slower)),
        settings=replace(first.settings, **settings),
    )
    records: list[Record] = [first]
    for number, factor in enumerate(slower):
        records.append(round_started(len(records), number, load_ns=round(3e8 * factor)))
        for n in range(questions):
            name = f"n{number * questions + n}"
            records.append(answer(len(records), name, ms=(10.0 + n) * factor))
        records.append(round_finished(len(records), number))
    take(store, batch((*records, finished(len(records))), run_id))


def by_metric(found: Regression) -> dict[str, Change]:
    return {change.metric: change for change in found.changes}


def test_runs_that_took_turns_are_tested_over_their_rounds(store: Store) -> None:
    rounds(store, OLD, MORNING, 1.0, 1.01, 0.99, 1.0, 1.0)
    rounds(store, NEW, MORNING, 1.5, 1.51, 1.49, 1.48, 1.5, threads=1)
    found = compare_runs(store, OLD, NEW, parse_limits("time>5%,p50>60%,load>49%"))
    assert (found.unlike, found.notes, found.rounds) == (("4 threads → 1 thread",), (), 5)
    time = by_metric(found)["time"]
    logs = [math.log(new / old) for new, old in zip((1.5, 1.51, 1.49, 1.48, 1.5), STEADY, strict=True)]
    reach = 2.7764 * stdev(logs) / math.sqrt(5)
    assert time.interval == pytest.approx(
        tuple(100 * math.expm1(fmean(logs) + sign * reach) for sign in (-1, 1)), rel=1e-3
    )
    assert [by_metric(found)[name].significant for name in ("time", "p50", "p90", "p99")] == [
        *(True, True, True),
        None,
    ]
    assert [judged.verdict.outcome for judged in found.limits] == ["fails", "passes", "not decided"]


def test_two_equal_runs_break_no_limit_and_say_what_would_decide(store: Store, database: Path) -> None:
    rounds(store, OLD, MORNING, 1.0, 1.05, 0.95, 1.03, 0.98)
    rounds(store, NEW, MORNING, 1.05, 0.97, 1.06, 0.98, 1.04)
    command = ("compare", OLD, NEW, "--fail-if", "time>5%", "--db", database)
    done = invoked(*command)
    assert done.returncode == 0
    assert re.fullmatch(
        r"whether the second run breaks the limit time>5% is not decided: about \d+ rounds would decide\n",
        done.stderr,
    )
    assert "not significant" in done.stdout
    assert "The verdicts on 3 times are adjusted for their number (Holm)." in done.stdout
    assert invoked(*command, "--fail-if-undecided").returncode == 4


def test_a_change_within_the_noise_threshold_breaks_no_limit(store: Store) -> None:
    rounds(store, OLD, MORNING, *STEADY)
    rounds(store, NEW, MORNING, *(1.008 * factor for factor in STEADY))
    assert by_metric(compare_runs(store, OLD, NEW, ()))["time"].significant

    def outcome(limits: str, noise: float) -> str:
        (judged,) = compare_runs(store, OLD, NEW, parse_limits(limits), noise).limits
        return judged.verdict.outcome

    assert (outcome("time>0%", 1.0), outcome("time>0%", 0.5)) == ("passes", "fails")
    assert outcome("time>-5%", 1.0) == "fails", "a speed-up that is demanded is no noise"


def test_one_round_is_within_one_run(store: Store) -> None:
    rounds(store, OLD, MORNING, 1.0)
    rounds(store, NEW, MORNING, 1.5)
    found = compare_runs(store, OLD, NEW, ())
    assert found.notes == (WITHIN_ONE_RUN,)
    assert {by_metric(found)[name].significant for name in ("time", "p50", "p90", "p99")} == {None}
    assert by_metric(found)["time"].interval is not None


def test_repeats_say_how_much_two_times_differ(store: Store) -> None:
    rounds(store, OTHER, MORNING, *STEADY)
    rounds(store, OLD, "2e" * 8, *(1.1 * factor for factor in STEADY))
    rounds(store, NEW, "3f" * 8, *(1.5 * factor for factor in STEADY), threads=1)
    found = compare_runs(store, OLD, NEW, parse_limits("time>5%"))
    (note,) = found.notes
    assert note == (
        "measured at different times: from one time to another, a model's time changes by 10.0 % on this "
        "hardware (standard deviation over 1 repeat)"
    )
    assert by_metric(found)["time"].significant is False, "one repeat is one degree of freedom"
    assert found.limits[0].verdict.outcome == "not decided"


@pytest.mark.parametrize(
    ("settings", "its"),
    [
        ({"decoding": "squad"}, "decoding squad"),
        ({"max_tokens": 256}, "windows of 256 tokens, stride 128"),
        ({"max_answer_tokens": 30}, "answers of at most 30 tokens"),
    ],
)
def test_accuracies_of_another_decoding_or_windows_are_left_out(
    filled: Store, database: Path, settings: dict[str, object], its: str
) -> None:
    first, *rest = run_records(RIGHT)
    assert isinstance(first, RunStarted)
    first = replace(first, settings=replace(first.settings, **settings))
    take(filled, batch((first, *rest), "0d" + "4" * 30))
    score_answers(filled)
    found = compare_runs(filled, "0a", "0d", ())
    assert changes(found).keys() == {"time", "p50", "p90", "p99", "load", "memory"}
    assert found.notes[0].startswith("accuracies are left out: ") and f" and {its} after; " in found.notes[0]
    assert len(found.unlike) == 1 and found.unlike[0].endswith(f" → {its}")
    with pytest.raises(BadInput, match=r"'f1<-0\.5' cannot be checked: the runs decode or split otherwise"):
        compare_runs(filled, "0a", "0d", parse_limits("f1<-0.5"))
    assert "accuracies are left out" in invoked("compare", "0a", "0d", "--db", database).stdout


def test_without_an_accuracy_there_is_no_limit_on_it(filled: Store) -> None:
    assert "f1" not in changes(compare_runs(filled, "0a", "0c", ()))
    for limit in ("f1<0", "bertscore<-1"):
        with pytest.raises(BadInput, match=f"{limit!r} cannot be checked"):
            compare_runs(filled, "0a", "0c", parse_limits(limit))


@pytest.mark.parametrize("text", ["p50>5", "f1<-1%", "speed>5%", "p50=5%", "", "p50>5%,", "p50>5%;f1<0"])
def test_what_is_no_limit_is_quoted(text: str) -> None:
    with pytest.raises(BadInput, match="is not a limit"):
        parse_limits(text)


@pytest.mark.parametrize(
    ("limits", "status", "outcomes"),
    [
        ("p50>5%,em<-100", 0, {"p50>5%": "not decided", "em<-100": "passes"}),
        ("memory>-1%", 4, {"memory>-1%": "fails"}),
    ],
)
def test_the_exit_status_shows_whether_it_regressed(
    filled: Store, database: Path, limits: str, status: int, outcomes: dict[str, str]
) -> None:
    del filled
    done = invoked("compare", "0a", "0b", "--fail-if", limits, "--json", "--db", database)
    assert done.returncode == status
    found = {judged["limit"]: judged["verdict"]["outcome"] for judged in json.loads(done.stdout)["limits"]}
    assert found == outcomes
    assert done.stderr == (
        "the second run breaks the limit memory>-1%\n"
        if status
        else "whether the second run breaks the limit p50>5% is not decided: to decide, measure both bundles "
        "in one command: agent run BEFORE AFTER\n"
    )


def test_people_get_a_table(filled: Store, database: Path) -> None:
    del filled
    done = invoked("compare", "0a", "0b", "--db", database)
    assert done.returncode == 0
    assert "+50.0 %" in done.stdout
    assert "not significant" in done.stdout
    assert "also different: python 3.13.5 → python 3.14.0" in done.stdout
