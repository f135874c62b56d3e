"""The lists of orders that a terminal shows: what is sent and what it takes, and how far each order is."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from collector.display.grid import Grid
from collector.orders.forecast import Forecast
from collector.orders.order_rows import ListState, StoredOrder, away_since
from collector.orders.recipients import Recipient
from commandline.estimation.duration import about

NOT_SENT: Final = "not received"
"""The state of an order that its device has not reported on."""
_CANCELLING: Final = "is cancelled"
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0


def forecast_grid(forecasts: Sequence[tuple[Recipient, Forecast]], orders: Mapping[str, str]) -> Grid:
    """Return one row per device with what an order takes there, and detects.

    Args:
        forecasts: the devices and their forecasts.
        orders: the id of each device's order; empty if none was sent.
    """
    rows = [
        (
            device.device_id,
            orders.get(device.device_id),
            None if device.machine is None else device.machine.label,
            None if forecast.seconds is None else round(forecast.seconds),
            None if forecast.basis is None else forecast.basis.name,
            round(forecast.cooling_seconds),
            None if forecast.time_difference is None else 100 * forecast.time_difference,
            "measured" if forecast.spread_measured else "assumed",
            100 * forecast.f1_difference,
            _away(device.away_since),
        )
        for device, forecast in forecasts
    ]
    columns = (
        *("device", "order", "machine", "seconds", "estimated_from", "cooling_seconds_at_most"),
        *("detects_time_percent", "spread", "detects_f1_points", "away_since"),
    )
    return Grid(columns, rows, "no device is chosen", least=("machine", "spread", "estimated_from"))


def forecast_sentence(device: Recipient, forecast: Forecast) -> str:
    """Say what an order takes on a device and what it can detect."""
    parts = [_time(forecast), _detects(forecast)]
    if device.away_since:
        parts.append(f"it is away since {device.away_since}, and gets the order when it comes back")
    elif device.away_since is not None:
        parts.append("it has never been connected, and gets the order when it comes")
    return f"{device.device_id}: {'; '.join(parts)}"


def order_grid(orders: Iterable[StoredOrder], states: Mapping[str, ListState], now: datetime) -> Grid:
    """Return one row per order, in their order.

    Args:
        orders: the orders.
        states: the state of each device's list, by device.
        now: the time, to tell how old an order is.
    """
    columns = (
        *("order", "device", "plan", "state", "measured", "runs", "failed", "bundle", "round", "rounds"),
        *("age", "ordered_at", "ordered_by", "cancelled_by", "ended_at", "away_since", "reason"),
    )
    rows = [
        (
            order.order_id,
            order.device_id,
            order.plan,
            state_of(order),
            order.measured,
            order.measurements,
            order.failed,
            order.bundle,
            order.round,
            order.rounds,
            age(order.ordered_at, now),
            order.ordered_at,
            order.ordered_by,
            order.cancelled_by,
            order.ended_at,
            _away(away_since(states.get(order.device_id))) if order.ended_at is None else None,
            order.reason,
        )
        for order in orders
    ]
    least = ("ended_at", "cancelled_by", "ordered_at", "rounds", "round", "ordered_by", "failed", "bundle")
    return Grid(columns, rows, "no order is open", least=(*least, "reason", "plan"))


def state_of(order: StoredOrder) -> str:
    """Return in a word or two how far an order is."""
    if order.ended_at is None and order.cancelled_at is not None:
        return _CANCELLING
    return order.phase or NOT_SENT


def progress_sentence(order: StoredOrder) -> str:
    """Say how far an order is."""
    text = f"{order.device_id}: {state_of(order)}"
    if order.bundle and order.ended_at is None:
        text += f" {order.bundle}"
    if order.measured or order.ended_at is not None:
        text += f", {order.measured} of {order.measurements} measured"
    if order.failed:
        text += f", {order.failed} failed"
    return f"{text}: {order.reason}" if order.reason else text


def age(since: str, now: datetime) -> str:
    """Return the time since a moment, such as `5 min`, in the largest unit of which it has at least two."""
    seconds = max(0.0, (now - datetime.fromisoformat(since).astimezone(UTC)).total_seconds())
    for size, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {name}"
    return f"{int(seconds)} s"


def _time(forecast: Forecast) -> str:
    if forecast.seconds is None and not forecast.unknown:
        return (
            "how long it takes is not known, since the scenario server ends when its rate is found or decided"
        )
    if forecast.seconds is None:
        were = "was" if len(forecast.unknown) == 1 else "were"
        unknown = ", ".join(forecast.unknown)
        return f"how long it takes is not known, since {unknown} {were} not measured there in this way"
    text = about(forecast.seconds) + (" or more" if forecast.open_ended else "")
    if forecast.basis is not None:
        text += f" by {forecast.basis.source}"
    if forecast.cooling_seconds:
        text += f", and at most {about(forecast.cooling_seconds).removeprefix('about ')} to cool down"
    return text


def _detects(forecast: Forecast) -> str:
    if forecast.time_difference is None:
        time = "no difference in time, since no bundles take turns in rounds"
    else:
        spread = "measured" if forecast.spread_measured else "assumed"
        time = f"a difference in time of {100 * forecast.time_difference:.1f} % ({spread} spread)"
    return f"it detects {time}, and in F1 of {100 * forecast.f1_difference:.0f} points at worst"


def _away(since: str | None) -> str | None:
    return None if since is None else since or "never connected"
