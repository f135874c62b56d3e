"""Which version of MQTT a broker speaks, as far as it has told: 5, or else 3.1.1."""

from typing import Protocol


class Lost(Protocol):
    """What a connection that is lost tells of it: an `agent.delivery.uplink.Uplink`."""

    wants_older: bool
    silent: bool


class Dialect:
    """What to speak to one broker, over any number of connections."""

    def __init__(self) -> None:
        self.older = False
        """Whether to speak MQTT 3.1.1."""
        self._told = False

    def welcomed(self) -> None:
        """The broker has let this agent in."""
        if not self.older:
            self._told = True

    def lost(self, uplink: Lost) -> bool:
        """A connection has ended; tells whether the broker has asked for the older version in words."""
        if uplink.wants_older:
            self._told = self.older = True
        elif not self._told:
            # amqtt takes MQTT 5 for a broken 3.1.1 and says nothing: try that in turn with 5.
            self.older = uplink.silent and not self.older
        return uplink.wants_older
