"""What the agent sends to the service manager."""

import socket
from pathlib import Path

from agent.systemd_notify import Service


def test_the_service_manager_hears_of_start_work_and_end(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(60)
        service = Service({"NOTIFY_SOCKET": str(address)})
        service.ready()
        service.alive("minilm-l6\nint8: 3 of 60 questions")
        service.stopping()
        heard = [manager.recv(1000).decode() for _ in range(3)]
    assert heard == ["READY=1", "WATCHDOG=1\nSTATUS=minilm-l6 int8: 3 of 60 questions", "STOPPING=1"]
    service.alive("nobody listens any more")
    Service({}).ready()
