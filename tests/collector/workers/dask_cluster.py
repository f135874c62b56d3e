"""A Dask scheduler with workers, as processes of this machine."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.collector.running_collector import wait_until

_CLI: Final = "from distributed.cli.{} import main; main()"


class DaskCluster(NamedTuple):
    """A scheduler and its workers."""

    address: str
    workers: list["subprocess.Popen[bytes]"]


@contextmanager
def dask_cluster(folder: Path, count: int) -> Iterator[DaskCluster]:
    """Run a cluster inside the block; all of it is killed at the end, dead workers included."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as stack:
        place = ("--host", "127.0.0.1", "--port", str(port))
        stack.enter_context(_process(folder, "dask_scheduler", *place, "--no-dashboard", "--no-show"))
        wait_until(lambda: _answers(port), "the scheduler")
        alone = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(folder))
        workers = [
            stack.enter_context(_process(folder, "dask_worker", address, *alone)) for _ in range(count)
        ]
        yield DaskCluster(address, workers)


@contextmanager
def _process(folder: Path, what: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = (sys.executable, "-c", _CLI.format(what), *arguments)
    with Path(folder, "dask.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
