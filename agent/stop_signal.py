"""Turns SIGTERM and SIGINT into a flag that ends waits, so that no commit and no message is cut in two."""

import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """The user or the system asked the program to end. Uncaught, it ends the program as a signal would."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back the signals during the block; they come at its end. It is for the main thread.

    A program that replaces this one within the block holds them back as well, until it opens a `Stop`. So no
    signal is lost between the two, except one that another thread takes in the moment of the replacement.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    handlers = {number: signal.signal(number, _hold_here) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _hold_here(number: int, frame: FrameType | None) -> None:
    """Send a signal that another thread took to this one, which holds it back.

    Python runs handlers in the main thread; the system gives a signal to any thread that does not block it.
    """
    signal.pthread_kill(threading.get_ident(), number)


class Stop:
    """While it is open, a first signal sets a flag and ends every wait; a second has its default effect.

    If one is opened within another, a signal sets both flags: the inner one may have been looked at before.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._woken, self._wake = socket.socketpair()
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            if self._signal is None:  # else all have their previous handlers again
                signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # a program that was replaced held them back
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
        enclosing = getattr(self._previous.get(number), "__self__", None)
        self._restore()
        if isinstance(enclosing, Stop):
            enclosing._note(number, frame)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned
        self._previous.clear()
