"""Numbers for Prometheus: devices, answers, what waits, what was rejected.

They are read when they are asked for, from the database and from the states that the broker keeps.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from collector.errors import BrokerUnavailable
from collector.hub.register import Register
from collector.hub.service.access import Access
from commandline.broker_address import BrokerAddress
from contract.messages import State

_ANSWERS: Final = """
SELECT device_id, count(*) FROM answers JOIN streams USING (stream) GROUP BY device_id
ORDER BY device_id
"""
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Answers Prometheus, on this machine or with the token.

    Args:
        database: the collector's database, which need not exist yet.
        broker: the hub's broker with the collector's credentials, which may change.
        register: the devices that have joined.
        access: decides who is answered.
    """

    def __init__(
        self, database: Path, broker: Callable[[], BrokerAddress], register: Register, access: Access
    ) -> None:
        self._database = database
        self._broker = broker
        self._register = register
        self._access = access

    def answer(self, request: Request) -> Response:
        """Return the numbers of now."""
        self._access.by_metrics_token(request)
        registry = CollectorRegistry()
        registry.register(_Families(self._families()))
        return Response(generate_latest(registry), headers={"Content-Type": _TEXT})

    def _families(self) -> list[Metric]:
        joined = GaugeMetricFamily("distilbench_devices", "Devices that have joined the hub.")
        joined.add_metric([], len(self._register.members()))
        return [joined, *self._of_database(), *self._of_broker()]

    def _of_database(self) -> Iterator[Metric]:
        if not self._database.exists():
            return
        from collector.store.opening import open_store_to_read

        answers = CounterMetricFamily(
            "distilbench_answers", "Answers in the database, by device.", labels=["device"]
        )
        with open_store_to_read(self._database) as store:
            for device, number in store.tuples(_ANSWERS):
                answers.add_metric([str(device)], number)
            ((times,),) = store.tuples("SELECT coalesce(sum(times), 0) FROM rejected")
        yield answers
        yield CounterMetricFamily("distilbench_rejected", "Messages that were rejected.", value=times)

    def _of_broker(self) -> Iterator[Metric]:
        from collector.serving.fleet import fleet_now

        up = GaugeMetricFamily("distilbench_broker_up", "Whether the hub's broker answers.")
        try:
            states = fleet_now(self._broker()).states
        except BrokerUnavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from (_gauge(*each, states) for each in _GAUGES)


_GAUGES: Final[tuple[tuple[str, str, Callable[[State], float | None]], ...]] = (
    (
        "distilbench_connected",
        "Whether a device is connected to the broker.",
        lambda state: float(state.state in {"connected", "degraded"}),
    ),
    ("distilbench_pending", "Records that a device has not delivered yet.", lambda state: state.pending),
    ("distilbench_dropped", "Records that a device had no room for.", lambda state: state.dropped),
    ("distilbench_run_answered", "Answers of a device's run in progress.", lambda state: state.answered),
    ("distilbench_run_selected", "Questions of a device's run in progress.", lambda state: state.selected),
    (
        "distilbench_temperature_celsius",
        "Temperature of a device during its run.",
        lambda state: state.temperature_celsius,
    ),
)


def _gauge(
    name: str, explanation: str, read: Callable[[State], float | None], states: dict[str, State]
) -> Metric:
    gauge = GaugeMetricFamily(name, explanation, labels=["device"])
    for device, state in sorted(states.items()):
        value = read(state)
        if value is not None:
            gauge.add_metric([device], value)
    return gauge


class _Families(Collector):
    """Numbers that were read already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._families
