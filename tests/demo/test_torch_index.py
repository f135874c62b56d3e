import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from demo.torch_index import CPU_INDEX, answers

ROOT = Path(__file__).parents[2]


class Index(BaseHTTPRequestHandler):
    """An index that has torch, and nothing else."""

    def do_GET(self) -> None:  # http.server's name
        self.send_response(200 if self.path == "/whl/cpu/torch/" else 404)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/whl"
        server.shutdown()
        thread.join()


def test_an_index_that_has_torch_answers(address: str) -> None:
    assert answers(f"{address}/cpu", seconds=60.0)
    assert not answers(f"{address}/rocm")


def test_an_index_that_is_silent_or_absent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        assert not answers(url, seconds=0.2)
        assert time.monotonic() - begun < 3
    assert not answers(url)


def test_the_makefile_runs_it_before_there_is_an_environment() -> None:
    """It imports nothing but Python's own modules, and prints the index or nothing."""
    script = "import sys; sys.path.insert(0, '.'); import demo.torch_index as index; index.main()"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "https_proxy": "http://127.0.0.1:1"},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "-m demo.torch_index" in (ROOT / "Makefile").read_text()
    assert CPU_INDEX.startswith("https://")
