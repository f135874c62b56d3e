"""What the agent tells the service manager that started it: that it works, and at what (`sd_notify(3)`)."""

import os
import socket
from collections.abc import Mapping
from typing import Final

_MAX_STATUS_CHARS: Final = 200


class Service:
    """Talks to systemd's notification socket; without one it does nothing.

    The watchdog is fed from the work loop, never from a thread: a loop that hangs must not look alive.

    Args:
        environment: has NOTIFY_SOCKET where a service manager listens.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """The start has succeeded: everything is checked."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """The work loop has come around; `status` is what it does, for `systemctl status`."""
        self._send(f"WATCHDOG=1\nSTATUS={' '.join(status.split())[:_MAX_STATUS_CHARS]}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
                speaker.setblocking(False)
                speaker.sendto(message.encode(), address)
        except OSError:
            # A service manager that does not listen must not end a measurement; its watchdog will.
            return
