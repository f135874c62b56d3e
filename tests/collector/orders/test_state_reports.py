"""What devices report: believed about their own orders only, and never more than a list allows."""

import pytest
from msgspec.structs import replace

from collector.orders.order_rows import MOST_REVISION, add, list_states, order_list, stored_orders
from collector.orders.state_reports import is_old_will, note_states, state_in, state_sender
from collector.store.database import Store
from contract.messages import State, encode_message
from contract.orders.progress import MAX_REPORTED_ORDERS, OrderProgress
from contract.topics import topic
from tests.collector.factory import batch, run_records
from tests.collector.orders.ordering import BY, OTHER, PI, SESSION, order, state


def reported(order_id: str, phase: str = "measuring", **fields: object) -> OrderProgress:
    return OrderProgress(id=order_id, phase=phase, **fields)  # type: ignore[arg-type]  # as the test says


def test_a_report_is_written_with_everything_that_people_ask_about(store: Store) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    report = reported(ordered.id, measured=1, failed=1, bundle="minilm int8", round=2, rounds=5, reason="why")
    note_states(store, [state(report)])
    (kept,) = stored_orders(store)
    assert (kept.phase, kept.reason, kept.measured, kept.failed) == ("measuring", "why", 1, 1)
    assert (kept.bundle, kept.round, kept.rounds) == ("minilm int8", 2, 5)
    before = store.value("SELECT reported_at FROM orders")
    note_states(store, [state(report)])
    assert store.value("SELECT reported_at FROM orders") == before, "nothing new was reported"


def test_no_text_of_a_report_keeps_the_others_from_being_written(store: Store) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    odd = reported(ordered.id, bundle="mini\0lm", reason="\0why")
    for _ in range(2):
        note_states(store, [state(odd)])
    (kept,) = stored_orders(store)
    assert (kept.phase, kept.bundle, kept.reason) == ("measuring", "mini?lm", "?why")


def test_a_device_can_report_nothing_about_the_order_of_another(store: Store) -> None:
    mine, theirs = order(), order()
    add(store, {PI: mine, OTHER: theirs}, BY, "plan.toml")
    note_states(store, [state(reported(theirs.id, "done"), reported(mine.id))])
    assert [kept.phase for kept in stored_orders(store)] == ["measuring", None]
    lists = order_list(store, OTHER)
    assert lists is not None and (lists.revision, lists.orders) == (1, (theirs,))


def test_an_order_that_ended_never_changes_again(store: Store) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    note_states(store, [state(reported(ordered.id, "refused", reason="no such bundle"))])
    note_states(store, [state(reported(ordered.id, "done", measured=7))])
    (kept,) = stored_orders(store, every=True)
    assert (kept.phase, kept.measured, kept.reason) == ("refused", 0, "no such bundle")


def test_reports_about_orders_that_were_never_given_add_nothing(store: Store) -> None:
    made_up = [reported(f"{n:032x}", "done", reason="x" * 300) for n in range(MAX_REPORTED_ORDERS)]
    for _ in range(3):
        note_states(store, [state(*made_up)])
    assert stored_orders(store, every=True) == []
    assert store.value("SELECT count(*) FROM order_lists") == 1


@pytest.mark.parametrize("claimed", [MOST_REVISION + 1, 2**63 - 1])
def test_a_revision_that_nobody_can_have_published_is_not_believed(store: Store, claimed: int) -> None:
    add(store, {PI: order()}, BY, "plan.toml")
    note_states(store, [state(revision=claimed)])
    found = list_states(store)[PI]
    assert found.revision == 1


def test_since_when_a_device_is_away_is_kept(store: Store) -> None:
    note_states(store, [state()])
    note_states(store, [state(state="lost", revision=None)])
    first = list_states(store)[PI]
    note_states(store, [state(state="lost", revision=None)])
    assert list_states(store)[PI] == first
    assert first.state == "lost"


def test_a_state_counts_only_on_the_topic_of_its_device() -> None:
    assert state_sender(topic(PI, "state")) == PI
    assert state_sender(topic(PI, "results")) is None
    assert state_sender("distilbench/1/PI five/state") is None
    assert state_sender(None) is None
    mine = encode_message(state())
    assert state_in(mine, PI) == state()
    assert state_in(mine, OTHER) is None
    assert state_in(encode_message(batch(run_records())), PI) is None
    assert state_in(mine[:-1], PI) is None


def test_a_state_with_too_many_orders_or_too_long_a_reason_is_none() -> None:
    many = [reported(f"{n:032x}") for n in range(MAX_REPORTED_ORDERS + 1)]
    assert state_in(encode_message(state(*many)), PI) is None
    long = reported("0" * 32, reason="x" * 301)
    assert state_in(encode_message(state(long)), PI) is None


@pytest.mark.parametrize(
    ("said", "session", "old"),
    [
        ("lost", SESSION, False),
        ("lost", "0b" * 16, True),
        ("connected", "0b" * 16, False),
        ("lost", None, False),
    ],
)
def test_a_late_will_of_an_earlier_session_is_recognised(said: str, session: str | None, old: bool) -> None:
    last: State = replace(state(), state=said)
    assert is_old_will(last, session) == old
