"""A throw-away PostgreSQL server, with a database of its own for each test."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg

from tests.installed import program
from tests.mosquitto import free_port

_END_SECONDS = 60.0


def programs() -> Path:
    """Return the folder with the programs of the newest PostgreSQL; Debian has it outside the path."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    newest = max(found, key=lambda path: int(path.parts[-3])) if found else Path(program("postgres"))
    return newest.parent


class Postgres:
    """A server in a folder. It listens on 127.0.0.1 and trusts everybody.

    Args:
        folder: what `folder` made: empty, or with a server's `data` that was made otherwise.
        bin_folder: the folder of its programs.
        primary: the server whose standby it is; None for one that is written.
        port: to listen on; None for a free one.
        durable: whether it has PostgreSQL's own settings, and would survive a power cut. Otherwise it is
            small and does not wait for the disk, since tests kill a process, never a machine.
    """

    def __init__(
        self,
        folder: Path,
        bin_folder: Path,
        primary: "Postgres | None" = None,
        *,
        port: int | None = None,
        durable: bool = False,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port or free_port()
        self._bin = bin_folder
        self._databases = 0
        if self.data.exists():
            pass
        elif primary is None:
            self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        else:
            where = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
            self._run("pg_basebackup", "-D", self.data, "-R", "--no-sync", "-c", "fast", "-d", where)
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n"
                "max_connections = 40\n"
                "wal_retrieve_retry_interval = 200ms\n"  # a standby finds a primary that is back
            )
            if not durable:
                settings.write(
                    "shared_buffers = 16MB\nautovacuum = off\nfsync = off\nfull_page_writes = off\n"
                )

    @property
    def is_running(self) -> bool:
        """Whether the server runs."""
        return self._server is not None

    @property
    def _server(self) -> psutil.Process | None:
        """The process that starts all others; None if the server was ended or killed."""
        with suppress(FileNotFoundError, IndexError, psutil.NoSuchProcess):
            server = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            if server.name() == "postgres" and server.status() != psutil.STATUS_ZOMBIE:
                return server
        return None

    @property
    def _processes(self) -> list[psutil.Process]:
        server = self._server
        return [] if server is None else [server, *server.children()]

    def start(self) -> None:
        """Start the server, and return when it answers."""
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "start")

    def stop(self) -> None:
        """Stop the server at once, in order."""
        self.resume()
        self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def kill(self) -> None:
        """Kill the server, as a power cut would."""
        if (server := self._server) is not None:
            server.suspend()  # it starts no other process meanwhile
        processes = self._processes
        for process in reversed(processes):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        # It cannot start again before all have ended, and its own number is free.
        _, left = psutil.wait_procs(processes, timeout=_END_SECONDS)
        assert not left, left

    def pause(self) -> None:
        """Stop all its processes where they are, until `resume`."""
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let them continue."""
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def end_connections(self) -> None:
        """End the connections of all clients, as an administrator can."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    @contextmanager
    def standby(self, port: int | None = None) -> "Iterator[Postgres]":
        """Run a standby of this server; every commit waits for it from now on."""
        with folder() as made, _kept_running(Postgres(made, self._bin, self, port=port)) as standby:
            self.wait_for_standby()
            yield standby

    def wait_for_standby(self, name: str = "standby") -> None:
        """Let every commit wait for a standby from now on."""
        self.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self._reload(name)

    def forget_standby(self) -> None:
        """Let no commit wait for a standby any more."""
        self.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self._reload("")

    def _reload(self, standby_names: str) -> None:
        """Let the server read its settings, and return when commits wait as they say.

        The process that makes checkpoints tells all others which standbys count. Once the server gives a new
        connection the new value, that process has been told to read it, and does so before a checkpoint.
        """
        self.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _END_SECONDS
        shown = None
        while shown != (standby_names,):
            assert time.monotonic() < deadline, shown
            with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
                shown = conn.execute("SHOW synchronous_standby_names").fetchone()
        self.execute("CHECKPOINT")

    def promote(self) -> None:
        """Let a standby take over."""
        self._run("pg_ctl", "-D", self.data, "-w", "promote")

    def url(self, database: str, *others: "Postgres") -> str:
        """Return the address of a database, which may be on one of several servers."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self, *others))
        return f"postgresql://postgres@{hosts}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Run a statement as the server's administrator."""
        with psycopg.connect(self.url(database), autocommit=True) as conn:
            conn.execute(sql.encode())

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Make a database, and drop it in the end; yields its address."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: object) -> None:
        as_user = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        )
        done = subprocess.run(
            [*as_user, str(self._bin / program), *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for a server, outside pytest's folders, which only their own user may enter.

    PostgreSQL refuses to run as root, so root's servers run as the user `postgres`.
    """
    with TemporaryDirectory(prefix="distilbench-postgres-", ignore_cleanup_errors=True) as name:
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(name, user.pw_uid, user.pw_gid)
        yield Path(name)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a server; skips the test if PostgreSQL is not installed, and fails it in CI."""
    bin_folder = programs()
    with folder() as made, _kept_running(Postgres(made, bin_folder, durable=durable)) as server:
        yield server


@contextmanager
def _kept_running(server: Postgres) -> Iterator[Postgres]:
    server.start()
    try:
        yield server
    finally:
        if server.is_running:
            server.stop()
