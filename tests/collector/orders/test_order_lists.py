"""What people read about orders."""

from datetime import UTC, datetime, timedelta

import pytest

from collector.display.abridged import abridged
from collector.display.grid import grid_text
from collector.orders.forecast import Forecast
from collector.orders.order_lists import (
    NOT_SENT,
    age,
    forecast_grid,
    forecast_sentence,
    order_grid,
    progress_sentence,
)
from collector.orders.order_rows import ListState, StoredOrder
from collector.orders.paces import ARITHMETIC, DEVICE
from collector.orders.recipients import Recipient
from tests.collector.factory import NOON, device

FORECAST = Forecast(720.0, DEVICE, 0.0, False, (), 0.034, True, 0.15)
HERE = ListState("pi-5", 1, "connected", NOON)
ORDER = StoredOrder(
    order_id="5a" * 16,
    device_id="pi-5",
    ordered_at=NOON,
    ordered_by="ada@workstation",
    plan="plan.toml",
    measurements=4,
    cancelled_at=None,
    cancelled_by=None,
    phase=None,
    reason=None,
    measured=0,
    failed=0,
    bundle=None,
    round=None,
    rounds=None,
    ended_at=None,
)


def told(forecast: Forecast, state: ListState | None = HERE) -> str:
    return forecast_sentence(Recipient("pi-5", device(), state), forecast)


def test_time_and_detectable_difference_are_one_sentence() -> None:
    assert told(FORECAST) == (
        "pi-5: about 12 min by its own earlier runs; it detects a difference in time of 3.4 % (measured "
        "spread), and in F1 of 15 points at worst"
    )
    other = FORECAST._replace(basis=ARITHMETIC, cooling_seconds=1800.0, open_ended=True, time_difference=None)
    assert told(other) == (
        "pi-5: about 12 min or more by arithmetic, from other bundles on its machine type, and at most 30 "
        "min to cool down; it detects no difference in time, since no bundles take turns in rounds, and in "
        "F1 of 15 points at worst"
    )


def test_what_is_not_known_is_said_not_to_be() -> None:
    unknown = FORECAST._replace(seconds=None, basis=None, unknown=("minilm", "bert"), spread_measured=False)
    assert told(unknown) == (
        "pi-5: how long it takes is not known, since minilm, bert were not measured there in this way; it "
        "detects a difference in time of 3.4 % (assumed spread), and in F1 of 15 points at worst"
    )


def test_the_time_of_a_search_is_said_to_depend_on_what_it_finds() -> None:
    assert told(FORECAST._replace(seconds=None, basis=None)).startswith(
        "pi-5: how long it takes is not known, since the scenario server ends when its rate is found or "
        "decided; it"
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "; it has never been connected, and gets the order when it comes"),
        (HERE._replace(state="lost"), f"; it is away since {NOON}, and gets the order when it comes back"),
        (HERE, "points at worst"),
    ],
)
def test_a_device_that_is_away_is_said_to_be(state: ListState | None, words: str) -> None:
    assert told(FORECAST, state).endswith(words)


def test_the_list_of_what_is_sent_has_a_row_per_device() -> None:
    grid = forecast_grid([(Recipient("pi-5", device(), HERE), FORECAST)], {"pi-5": "5a" * 16})
    row = dict(zip(grid.columns, grid.rows[0], strict=True))
    assert (row["order"], row["seconds"], row["estimated_from"]) == ("5a" * 16, 720, "this device")
    assert (row["detects_time_percent"], row["detects_f1_points"]) == (pytest.approx(3.4), 15.0)
    assert (row["machine"], row["away_since"]) == ("Raspberry Pi 5 Model B, 4 cores", None)


def test_the_list_of_orders_shows_how_far_each_is() -> None:
    later = datetime.fromisoformat(NOON) + timedelta(minutes=5)
    busy = ORDER._replace(
        order_id="6b" * 16, phase="measuring", measured=1, failed=1, bundle="minilm int8", round=2, rounds=5
    )
    gone = ORDER._replace(order_id="7c" * 16, device_id="pi-9", cancelled_at=NOON, phase="waiting")
    states = {"pi-5": HERE, "pi-9": ListState("pi-9", 1, "lost", NOON)}
    grid = order_grid([ORDER, busy, gone], states, later)
    rows = [dict(zip(grid.columns, row, strict=True)) for row in grid.rows]
    assert [row["state"] for row in rows] == [NOT_SENT, "measuring", "is cancelled"]
    assert [row["away_since"] for row in rows] == [None, None, NOON]
    assert rows[0]["age"] == "5 min"
    text = grid_text(abridged(grid), "table", 100)
    assert "6b6b6b6b" in text and "1/4" in text and max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (121, "2 min"), (7_300, "2 h"), (200_000, "2 d")]
)
def test_an_age_has_the_largest_unit_that_it_has_twice(seconds: int, text: str) -> None:
    assert age(NOON, datetime.fromisoformat(NOON).astimezone(UTC) + timedelta(seconds=seconds)) == text
    assert age("2099-01-01T00:00:00Z", datetime.now(UTC)) == "0 s", "the clock was set back"


def test_progress_is_one_sentence() -> None:
    assert progress_sentence(ORDER) == "pi-5: not received"
    busy = ORDER._replace(phase="measuring", measured=1, failed=1, bundle="minilm int8")
    assert progress_sentence(busy) == "pi-5: measuring minilm int8, 1 of 4 measured, 1 failed"
    refused = ORDER._replace(phase="refused", reason="the hub has no bundle 'x'", ended_at=NOON)
    assert progress_sentence(refused) == "pi-5: refused, 0 of 4 measured: the hub has no bundle 'x'"
