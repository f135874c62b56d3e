"""Turns SIGTERM and SIGINT into a flag that ends waits, so that no commit and no message is cut in two."""

import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """The user or the system asked the program to end. Uncaught, it ends the program as a signal would."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Stop:
    """While it is open, a first signal sets a flag and ends every wait; a second has its default effect."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._woken, self._wake = socket.socketpair()
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        self._woken.close()
        self._wake.close()

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    def check(self) -> None:
        """Return, or raise Stopped if a signal has come."""
        if self._signal is not None:
            raise Stopped(self._signal)

    def wait(self, seconds: float | None, readable: int | None = None) -> bool:
        """Wait until a descriptor is readable (True), the time is up or a signal comes (False)."""
        if self._signal is not None:
            return False
        watched = [self._woken.fileno(), *(() if readable is None else (readable,))]
        ready, _, _ = select.select(watched, [], [], seconds)
        return readable is not None and readable in ready

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._wake.send(b"!")
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned
        self._previous.clear()
