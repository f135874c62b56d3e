"""A broker that does not speak MQTT 5, played by a socket."""

import socket

REFUSAL = b"\x20\x02\x00\x01"
HANGS_UP = b""
SECONDS = 30.0

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
