"""A PostgreSQL server of the collectors' own, and what happens to it in a schedule."""

import random
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import psycopg

from bench.blows.kept import Blow
from bench.processes.process import Process
from collector.store.database import Where
from tests.mosquitto import free_port
from tests.postgres import Postgres, running

_NAME: Final = "results"
_STANDBY_SHARE: Final = 1 / 2


class KeptInPostgres:
    """A database of PostgreSQL. In half of the schedules it has a synchronous standby, which can take over.

    Primary and standby have two ports that stay the same; a server that was promoted is the primary of the
    next schedules.

    Args:
        _folder: the folder of the schedules; servers have folders of their own.
    """

    loses: Final = False

    def __init__(self, _folder: Path) -> None:
        self._of_primary = ExitStack()
        self._primary = self._of_primary.enter_context(running())
        self._primary.execute(f"CREATE DATABASE {_NAME}")
        self._of_standby = ExitStack()
        self._standby: Postgres | None = None
        self._other_port = free_port()
        hosts = f"127.0.0.1:{self._primary.port},127.0.0.1:{self._other_port}"
        self.where: Where = f"postgresql://postgres@{hosts}/{_NAME}"
        self.promotions = 0

    @property
    def to_check(self) -> Where:
        """The primary: a standby has all that was acknowledged, but may show it a moment later."""
        return self._primary.url(_NAME)

    def begin(self, rng: random.Random) -> None:
        """Make a standby, or do without one; see `Kept`."""
        self.raise_up()
        wanted = rng.random() < _STANDBY_SHARE
        if wanted and self._standby is None:
            self._standby = self._of_standby.enter_context(self._primary.standby(self._other_port))
        elif self._standby is not None and not wanted:
            self._primary.forget_standby()
            self._standby.kill()
            self._of_standby.close()
            self._standby = None

    def note(self) -> None:
        """Do nothing: no blow puts this database back."""

    def blows(self) -> Sequence[Blow]:
        """Kill the server, stop or pause it or its standby, or end connections; see `Kept`."""
        blows: tuple[Blow, ...] = (self._stop, self._primary.pause, self._end_connections)
        if self._standby is None:
            return (self._primary.kill, *blows)
        return (self._promote, self._standby.pause, *blows)

    def rare_blow(self, rng: random.Random, _collectors: Sequence[Process]) -> Blow:
        """Promote the standby if there is one; otherwise one of the other blows; see `Kept`."""
        return self._promote if self._standby is not None else rng.choice(self.blows())

    def raise_up(self) -> None:
        """Start the server again, or let it continue, and its standby; see `Kept`."""
        for server in (self._primary, self._standby):
            if server is not None:
                if server.is_running:
                    server.resume()
                else:
                    server.start()

    def close(self) -> None:
        """End the servers; see `Kept`."""
        for server in (self._primary, self._standby):
            if server is not None:
                server.kill()
        self._of_standby.close()
        self._of_primary.close()

    def _stop(self) -> None:
        if self._primary.is_running:
            if self._standby is not None:
                self._standby.resume()  # the server does not end before its standby has everything
            self._primary.stop()

    def _end_connections(self) -> None:
        self._primary.resume()
        with suppress(psycopg.OperationalError):
            self._primary.end_connections()

    def _promote(self) -> None:
        assert self._standby is not None
        self._standby.resume()
        self._primary.kill()
        self._standby.promote()
        self._of_primary.close()
        self._of_primary, self._of_standby = self._of_standby, ExitStack()
        self._other_port = self._primary.port
        self._primary, self._standby = self._standby, None
        self.promotions += 1
