"""A broker that does not speak MQTT 5, played by a socket."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

REFUSAL = b"\x20\x02\x00\x01"
HANGS_UP = b""
SECONDS = 90.0

WAYS = {"refuses": REFUSAL, "hangs up": HANGS_UP, "waits": None}
"""What it answers to MQTT 5: return code 1 is what the standard asks for; amqtt 0.12 does the others."""


def old_broker(server: socket.socket, first_answer: bytes | None) -> list[int]:
    """Two connections: end the first, let the second in and acknowledge its subscription."""
    versions = []
    for answers in ([first_answer], [b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01"]):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(SECONDS)
            for index, answer in enumerate(answers):
                packet = connection.recv(4096)
                if index == 0:
                    versions.append(packet[packet.index(b"MQTT") + 4])
                if answer is not None:
                    connection.sendall(answer)
            while answers != [HANGS_UP] and connection.recv(4096):
                continue
    return versions


class OlderBroker:
    """A broker of MQTT 3.1.1 only: it passes everything on to a real broker, except MQTT 5.

    Args:
        port: of the real broker, on this machine.
        answer: what it sends to a client of MQTT 5 before it ends the connection.
    """

    def __init__(self, port: int, answer: bytes = REFUSAL) -> None:
        self._port = port
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near = self._server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            hello = near.recv(65_536)
            place = hello.find(b"MQTT") + 4
            if place < 4 or hello[place] == 5:
                near.sendall(self._answer)
                return
            with socket.create_connection(("127.0.0.1", self._port)) as far:
                far.sendall(hello)
                back = threading.Thread(target=_pass, args=(far, near), daemon=True)
                back.start()
                _pass(near, far)
                back.join(SECONDS)


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
