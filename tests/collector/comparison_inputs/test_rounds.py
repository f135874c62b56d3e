"""The times of each round, which is what a measurement is repeated by."""

from msgspec.structs import replace

from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.rounds import Round
from collector.store.database import Store
from collector.store.runs import all_runs
from collector.summaries.columns import Keys
from collector.summaries.run_summary import Derived
from contract.records import Record
from tests.collector.delivering import take
from tests.collector.factory import (
    answer,
    batch,
    device,
    finished,
    round_finished,
    round_started,
    run_of_two_rounds,
    started,
)


def rounds(store: Store) -> tuple[Round, ...]:
    """The rounds of all runs of a database."""
    derived, runs = Derived(store), tuple(all_runs(store))
    digests = tuple(derived.summary(run).digest for run in runs)
    return Answers(store, derived).rounds(RunSet(runs, digests))


def asked(*questions: str) -> list[int]:
    return sorted(Keys().of(questions))


def test_an_interrupted_round_is_one_round(store: Store) -> None:
    take(store, batch(run_of_two_rounds(), "f" * 32))
    first, second = rounds(store)
    assert [(r.device_id, r.run_id, r.number) for r in (first, second)] == [
        ("pi-5", "f" * 32, 0),
        ("pi-5", "f" * 32, 1),
    ]
    assert first.question.tolist() == asked("q1", "q2")
    assert second.question.tolist() == asked("q3", "q4")


def test_a_round_has_the_times_and_lengths_of_its_questions(store: Store) -> None:
    records: tuple[Record, ...] = (
        started(),
        round_started(1, 0),
        answer(2, "q1", ms=10.0, tokens=50),
        answer(3, "q2", ms=30.0, tokens=70),
        answer(4, "q1", ms=14.0, tokens=50, repeat=1),
        answer(5, "q3", ms=99.0, marks=("throttled",)),
        round_finished(6, 0),
        round_started(7, 1),
        answer(8, "q1", ms=40.0, tokens=50, repeat=2),
        round_finished(9, 1),
        finished(10),
    )
    take(store, batch(records))
    first, second = rounds(store)
    found = dict(zip(first.question.tolist(), zip(first.tokens, first.time_ns, strict=True), strict=True))
    assert found == {Keys().of(["q1"])[0]: (50, 12_000_000), Keys().of(["q2"])[0]: (70, 30_000_000)}
    assert second.time_ns.tolist() == [40_000_000]


def test_a_run_without_rounds_is_one_round(store: Store) -> None:
    for device_id in ("pi-5", "pi-6", "pi-5"):
        records = (started(on=device(device_id)), answer(1, "q1"), answer(2, "q2"), finished(3, 2))
        take(store, batch(records, device_id=device_id))
    found = rounds(store)
    assert [(r.device_id, r.number, len(r.question)) for r in found] == [
        ("pi-5", 0, 2),
        ("pi-6", 0, 2),
        ("pi-5", 0, 2),
    ]
    assert len({r.run_id for r in found}) == 3


def test_a_round_without_a_time_that_counts_is_left_out(store: Store) -> None:
    disturbed = replace(answer(4, "q2"), marks=("agent_busy",))
    records = (started(), round_started(1, 0), answer(2, "q1"), round_started(3, 1), disturbed)
    take(store, batch(records))
    assert [r.number for r in rounds(store)] == [0]
