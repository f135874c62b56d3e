"""Which version of MQTT to speak to a broker: 5, or 3.1.1 if the broker asks for it or never answers to 5."""


class MqttVersion:
    """The version to speak to one broker, over any number of connections."""

    def __init__(self) -> None:
        self.older = False
        """Whether to speak MQTT 3.1.1."""
        self._known = False

    def welcomed(self) -> None:
        """Note that the broker has accepted this agent."""
        if not self.older:
            self._known = True

    def lost(self, *, wants_older: bool, silent: bool) -> bool:
        """Note that a connection has ended, and choose the version of the next one.

        Args:
            wants_older: whether the broker refused MQTT 5 by name.
            silent: whether the broker never answered the CONNECT packet.

        Returns:
            Whether the next connection can be opened at once, which is `wants_older`.
        """
        if wants_older:
            self._known = self.older = True
        elif not self._known:
            # amqtt mistakes MQTT 5 for a broken 3.1.1 and does not answer: try the two in turn.
            self.older = silent and not self.older
        return wants_older
