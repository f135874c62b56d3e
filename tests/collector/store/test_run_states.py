"""The states of runs without an end: whether they may still be running, or were given up."""

from msgspec.structs import replace

from collector.display import listing
from collector.store.database import Store
from collector.store.runs import Run, all_runs
from contract.fields import MAX_INT
from contract.records import Record, RunResumed, RunStarted
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, run_records, started

FIRST, SECOND = "a" * 32, "b" * 32


def begun(model: str = "minilm-l6") -> tuple[Record, ...]:
    return started(manifest(model)), answer(1, "q1"), answer(2, "q2", at_ns=61_000_000_000)


def states(store: Store) -> dict[str, str]:
    return {run.run_id[0]: run.state for run in all_runs(store)}


def only(store: Store) -> Run:
    (run,) = all_runs(store)
    return run


def test_a_run_that_may_go_on_is_running_and_says_when_it_last_recorded(store: Store) -> None:
    take(store, batch(begun(), FIRST))
    assert (only(store).state, only(store).explanation) == (
        "running",
        "its last record is from 61 s after its start",
    )
    row = dict(zip(listing.runs([only(store)]).columns, listing.runs([only(store)]).rows[0], strict=True))
    assert (row["state"], row["reason"]) == ("running", "its last record is from 61 s after its start")


def test_an_equal_run_that_starts_later_shows_that_a_run_was_given_up(store: Store) -> None:
    take(store, batch(begun(), FIRST))
    take(store, batch(begun("distilbert"), SECOND))
    assert states(store) == {"a": "running", "b": "running"}, "they may take turns"
    take(store, batch(begun(), "c" * 32))
    assert states(store) == {"a": "abandoned", "b": "running", "c": "running"}


def test_a_later_run_that_ends_shows_that_a_run_was_given_up(store: Store) -> None:
    first, *rest = begun()
    assert isinstance(first, RunStarted)
    # The device's clock is years ahead in the first run; nothing depends on it.
    take(store, batch((replace(first, started_at="2038-01-01T00:00:00Z"), *rest), FIRST))
    take(store, batch(run_records(bundle=manifest("distilbert")), SECOND))
    assert states(store) == {"a": "abandoned", "b": "complete"}
    take(store, batch((finished(3, 2),), FIRST))  # the agent continued it after all
    assert states(store) == {"a": "complete", "b": "complete"}


def test_a_run_that_its_agent_resumes_after_the_end_of_a_later_one_is_running(store: Store) -> None:
    take(store, batch(begun(), FIRST))
    last = finished(3, 2)
    take(store, batch((*begun("distilbert"), replace(last, finished_at="2026-11-24T12:00:00Z")), SECOND))
    before, after = (
        RunResumed(seq=seq, epoch="1d" * 8, resumed_at=f"2026-11-24T{hour}:30:00Z")
        for seq, hour in ((3, 11), (4, 12))
    )
    take(store, batch((before,), FIRST))
    assert states(store) == {"a": "abandoned", "b": "complete"}
    take(store, batch((after,), FIRST))
    assert states(store) == {"a": "running", "b": "complete"}
    take(store, batch(begun(), "c" * 32))
    assert states(store)["a"] == "abandoned", "an equal run began later"


def test_runs_of_another_device_show_nothing(store: Store) -> None:
    take(store, batch(begun(), FIRST))
    take(store, batch(run_records(on=device("pi-6")), SECOND, device_id="pi-6"))
    assert states(store) == {"a": "running", "b": "complete"}


def test_the_largest_number_of_a_record_is_one_that_can_be_read(store: Store) -> None:
    take(store, batch((started(), answer(MAX_INT, "q1", at_ns=61_000_000_000)), FIRST))
    assert only(store).missing == MAX_INT - 1
