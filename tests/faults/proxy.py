"""A TCP proxy that tests and benchmarks put between a device and its broker, to do what networks do."""

import socket
import threading
from contextlib import suppress


class Stalling:
    """A TCP proxy that can stop passing bytes on without closing anything."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._target = port
        self._open = threading.Event()
        self._open.set()
        self._server = socket.create_server((address, 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    def cut(self) -> None:
        """Break every connection; new ones work."""
        cut, self._sockets = self._sockets, []
        for each in cut:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        self._open.set()
        for each in (self._server, *self._sockets):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near = self._server.accept()[0]
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._sockets += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


class Censor(Stalling):
    """A proxy that closes a connection over which a word comes."""

    def __init__(self, port: int, word: bytes) -> None:
        self._word = word
        super().__init__(port)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        held = b""
        try:
            while data := source.recv(65_536):
                held = (held + data)[-len(data) - len(self._word) :]
                if self._word in held:
                    break
                target.sendall(data)
            for each in (source, target):
                each.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class Telling(Stalling):
    """A proxy that tells a client whose connection the broker ends that its session was taken over.

    Mosquitto does so from 2.0.15 on; 2.0.11 only closes the connection.
    """

    _TAKEN_OVER = b"\xe0\x01\x8e"  # DISCONNECT with reason 0x8E

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        from_broker = source.getpeername()[1] == self._target
        try:
            while data := source.recv(65_536):
                target.sendall(data)
            if from_broker:
                target.sendall(self._TAKEN_OVER)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


class Cutting(Stalling):
    """A proxy that breaks each connection after a number of bytes from the server.

    Args:
        port: the server's.
        after: that number.
        address: where it listens.
    """

    def __init__(self, port: int, after: int, address: str = "127.0.0.1") -> None:
        self._after = after
        super().__init__(port, address)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        left = self._after if source.getpeername()[1] == self._target else None
        try:
            while data := source.recv(65_536):
                target.sendall(data if left is None else data[:left])
                left = None if left is None else left - len(data)
                if left is not None and left <= 0:
                    break
            for each in (source, target):
                each.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
