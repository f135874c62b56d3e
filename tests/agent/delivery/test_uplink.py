"""One connection: what it does when a broker of MQTT 3.1.1 denies it something."""

import socket
import threading
from collections.abc import Sequence

import pytest

from agent.delivery.uplink import Uplink
from commandline.broker_address import BrokerAddress
from tests.collector.running_collector import wait_until

ACCEPTED = b"\x20\x02\x00\x00"
SECONDS = 60.0


class Subscription:
    """A broker that accepts one client and answers its subscriptions.

    Args:
        answers: the codes of each SUBACK, one for each topic; 0x80 denies.
    """

    def __init__(self, *answers: Sequence[int]) -> None:
        self.asked: list[bytes] = []
        """The qualities of service that were asked for, each time."""
        self._answers = answers
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    @property
    def address(self) -> BrokerAddress:
        """Where it listens."""
        return BrokerAddress("127.0.0.1", self._server.getsockname()[1])

    def end(self) -> None:
        """Wait until the client has left."""
        self._thread.join(SECONDS)
        self._server.close()

    def _answer(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            assert connection.recv(4096)
            connection.sendall(ACCEPTED)
            for codes in self._answers:
                packet = connection.recv(4096)
                self.asked.append(bytes(packet[packet.index(b"/receipts") + 9 :][:1] + packet[-1:]))
                connection.sendall(bytes((0x90, 2 + len(codes), *packet[2:4], *codes)))
            while connection.recv(4096):
                continue


@pytest.mark.parametrize(
    ("answers", "asked", "phase", "no_orders"),
    [
        ([(1, 1)], [b"\1\1"], "ready", False),
        ([(0x80, 0x80), (0, 0)], [b"\1\1", b"\0\0"], "ready", False),
        ([(1, 0x80), (0, 0)], [b"\1\1", b"\0\0"], "ready", False),
        ([(1, 0x80), (0, 0x80)], [b"\1\1", b"\0\0"], "ready", True),
        ([(0x80, 0x80), (0x80, 0x80)], [b"\1\1", b"\0\0"], "lost", False),
    ],
    ids=["allowed", "failing", "failing for orders", "no orders", "denied"],
)
def test_a_denied_subscription_is_tried_without_what_a_failing_cluster_cannot_do(
    answers: list[tuple[int, int]], asked: list[bytes], phase: str, no_orders: bool
) -> None:
    broker = Subscription(*answers)
    uplink = Uplink(broker.address, "pi-5", None, older=True, orders=True)

    def turned() -> bool:
        uplink.turn(0.05)
        return uplink.phase in ("ready", "lost")

    wait_until(turned, "the subscription")
    found = uplink.phase
    uplink.close()
    broker.end()
    assert (broker.asked, found, bool(uplink.no_orders)) == (asked, phase, no_orders)
    assert (uplink.link == "may not read") == (phase == "lost")
