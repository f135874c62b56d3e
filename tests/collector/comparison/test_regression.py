import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.comparison.notes import NOT_TOLD_APART
from collector.comparison.regression import Regression, compare_runs, parse_limits
from collector.errors import BadInput
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Weights
from contract.records import RunStarted
from tests.collector.command import collector
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
        {"p50": 50.0, "p90": 50.0, "p99": 50.0, "load": 0.0, "memory": 0.0, "em": 0.0, "f1": 0.0}
    )
    p50 = next(change for change in found.changes if change.metric == "p50")
    assert (p50.before, p50.after, p50.significant, p50.interval) == (12.0, 18.0, None, None)
    f1 = next(change for change in found.changes if change.metric == "f1")
    assert (f1.before, f1.significant) == (100.0, False)


def test_a_run_against_itself_changes_nothing(filled: Store) -> None:
    found = compare_runs(filled, "0a", "0a", parse_limits("p50>0%,p90>0%,memory>0%,em<0,f1<0"))
    assert set(changes(found).values()) == {0.0}
    assert (found.broken, found.unlike) == ((), ())


def test_a_change_that_may_be_chance_breaks_no_limit(filled: Store) -> None:
    wrong = [("q1", "Dresden", 10.0), *RIGHT[1:]]
    take(filled, batch(run_records(wrong), "0d" + "4" * 30))
    score_answers(filled)
    found = compare_runs(filled, "0a", "0d", parse_limits("em<-1"))
    em = next(change for change in found.changes if change.metric == "em")
    assert (round(em.change), em.significant, found.broken) == (-33, False, ())


def rounds(store: Store, run_id: str, epoch: str, slower: float = 1.0, **settings: object) -> None:
    """Ingest a run of one round with twelve questions, of the command that an epoch identifies."""
    first = replace(started(), epoch=epoch)
    first = replace(
        first,
        questions=replace(first.questions, selected=12),
        settings=replace(first.settings, **settings),
    )
    answers = [answer(2 + n, f"n{n}", ms=(10.0 + n) * slower) for n in range(12)]
    take(store, batch((first, round_started(1, 0), *answers, round_finished(14, 0), finished(15)), run_id))


def test_runs_of_one_command_are_tested_by_their_questions(store: Store) -> None:
    rounds(store, OLD, "1d" * 8)
    rounds(store, NEW, "1d" * 8, 1.5, threads=1)
    found = compare_runs(store, OLD, NEW, ())
    assert (found.unlike, found.notes) == (("4 threads → 1 thread",), ())
    assert [change.significant for change in found.changes if change.metric == "p50"] == [True]


def test_repeats_say_how_much_two_times_differ(store: Store) -> None:
    rounds(store, OTHER, "1d" * 8)
    rounds(store, OLD, "2e" * 8, 1.1)
    rounds(store, NEW, "3f" * 8, 1.5, threads=1)
    (note,) = compare_runs(store, OLD, NEW, ()).notes
    assert note == (
        "measured at different times: from one time to another, a model's time changes by 10.0 % on this "
        "hardware (standard deviation over 1 repeat)"
    )


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
    assert changes(found).keys() == {"p50", "p90", "p99", "load", "memory"}
    assert found.notes[0].startswith("em and f1 are left out: ") and f" and {its} after; " in found.notes[0]
    assert len(found.unlike) == 1 and found.unlike[0].endswith(f" → {its}")
    with pytest.raises(BadInput, match=r"'f1<-0\.5' cannot be checked: the runs decode or split otherwise"):
        compare_runs(filled, "0a", "0d", parse_limits("f1<-0.5"))
    assert "em and f1 are left out" in collector("compare", "0a", "0d", "--db", database).stdout


def test_without_an_accuracy_there_is_no_limit_on_it(filled: Store) -> None:
    assert "f1" not in changes(compare_runs(filled, "0a", "0c", ()))
    with pytest.raises(BadInput, match="'f1<0'"):
        compare_runs(filled, "0a", "0c", parse_limits("f1<0"))


@pytest.mark.parametrize("text", ["p50>5", "f1<-1%", "speed>5%", "p50=5%", "", "p50>5%,", "p50>5%;f1<0"])
def test_what_is_no_limit_is_quoted(text: str) -> None:
    with pytest.raises(BadInput, match="is not a limit"):
        parse_limits(text)


@pytest.mark.parametrize(
    ("limits", "status", "broken"), [("p50>5%,f1<-0.5", 4, ["p50>5%"]), ("p50>60%,f1<-0.5", 0, [])]
)
def test_the_exit_status_shows_whether_it_regressed(
    filled: Store, database: Path, limits: str, status: int, broken: list[str]
) -> None:
    del filled
    done = collector("compare", "0a", "0b", "--fail-if", limits, "--json", "--db", database)
    assert done.returncode == status
    assert json.loads(done.stdout)["broken"] == broken
    assert done.stderr == ("the second run breaks 1 limit: p50>5%\n" if broken else "")


def test_people_get_a_table(filled: Store, database: Path) -> None:
    del filled
    done = collector("compare", "0a", "0b", "--db", database)
    assert done.returncode == 0
    assert "+50.0 %" in done.stdout
    assert "not significant" in done.stdout
    assert "also different: python 3.13.5 → python 3.14.0" in done.stdout
