"""Notifies the service manager that started the agent: that it works, and on what (`sd_notify(3)`)."""

import os
import socket
from collections.abc import Mapping
from typing import Final

_MAX_STATUS_CHARS: Final = 200


class Service:
    """Sends notifications to systemd's socket; without a socket it does nothing.

    The watchdog is notified from the work loop, never from a thread: a loop that hangs must not look alive.

    Args:
        environment: has NOTIFY_SOCKET if a service manager listens.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """Report that the start has succeeded: everything is checked."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Report that the work loop runs; `systemctl status` shows `status`, a sentence about its work."""
        self._send(f"WATCHDOG=1\nSTATUS={' '.join(status.split())[:_MAX_STATUS_CHARS]}")

    def stopping(self) -> None:
        """Report that the agent is about to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), address)
        except OSError:
            # A failed notification must not end a measurement. If it keeps failing, the watchdog acts.
            return
