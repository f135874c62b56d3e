"""Whether collectors that share one store lose a record, or store one twice, while parts are killed.

    python -m bench.cluster --minutes 10 --kill collectors

Devices without a model (`bench.processes.device`), two `collector serve --share` on one PostgreSQL and a
broker run as processes. What is killed, by turns, throughout:

- `collectors`: one of the two collectors, with SIGKILL, while the other works. It is started again.
- `primary`: PostgreSQL, which is started again; in the middle its synchronous standby is promoted instead,
  and the collectors go there by the list of hosts in `--db`.
- `broker`: a node of a cluster of three NATS servers; in the middle two at once, when nothing may be
  acknowledged until they are back.

Each record that a device committed must be in the database, with its content, and no message may have been
rejected. The longest silence of a device is how long no new record of it was stored.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import click

from bench.commandline import needed
from bench.commandline.options import command, count, seconds
from bench.processes.device import NOT_DELIVERED
from bench.processes.process import Process
from bench.results.committed import Failed, check, kept
from collector.errors import StorageUnavailable
from collector.store.opening import open_store_to_read
from tests.mosquitto import Mosquitto
from tests.nats import NODES, Nats
from tests.one_name import named
from tests.postgres import Postgres, running

Part = Literal["collectors", "primary", "broker"]
COLLECTORS: Final = 2
_NAME: Final = "results"
_DRAIN_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.25
_SETTLED_SECONDS: Final = 5.0
"""After this time without a quorum of the brokers, nothing is under way any more."""
_RECORDS: Final = 2000
"""Per run; a device makes many runs."""

_STORED: Final = """
SELECT device_id, CAST(sum(last_seq - first_seq + 1) AS BIGINT)
FROM streams JOIN ranges USING (stream) GROUP BY device_id
"""


class Silence:
    """How long no new record of a device was stored, at most."""

    def __init__(self) -> None:
        self._stored: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self.longest = 0.0

    def look(self, database: str) -> None:
        """Note what is stored now; while the database is away, silence lasts."""
        now = time.monotonic()
        for device, stored in self._read(database).items():
            if stored != self._stored.get(device):
                self._stored[device], self._since[device] = stored, now
        self.longest = max([self.longest, *(now - since for since in self._since.values())])

    def start_again(self) -> None:
        """Count from now, as if all devices had just been heard."""
        self._since = dict.fromkeys(self._since, time.monotonic())

    @property
    def stored(self) -> int:
        """How many records were stored at the last look."""
        return sum(self._stored.values())

    def _read(self, database: str) -> dict[str, int]:
        try:
            with open_store_to_read(database) as store:
                return dict(store.tuples(_STORED))
        except StorageUnavailable:
            return {}


class Load(NamedTuple):
    """What the devices do."""

    devices: int
    pause: float
    """Seconds between two commits, on average."""
    seconds: float


class Cluster:
    """The processes, and what is done to them."""

    def __init__(self, folder: Path, part: Part, load: Load, stack: ExitStack) -> None:
        self._folder = folder
        self._part = part
        self.primary = stack.enter_context(running())
        self.primary.execute(f"CREATE DATABASE {_NAME}")
        self.standby: Postgres | None = None
        if part == "primary":
            self.standby = stack.enter_context(self.primary.standby())
            self.database = self.primary.url(_NAME, self.standby)
        else:
            self.database = self.primary.url(_NAME)
        self.nats: Nats | None = None
        if part == "broker":
            self.nats = stack.enter_context(Nats(folder))
            url = self.nats.url
        else:
            broker = Mosquitto(folder, lines=("allow_anonymous true", "log_type none"))
            url = stack.enter_context(broker).url
        self.collectors = [
            self._process(
                f"collector-{number}",
                *("collector", "serve", "--broker", url, "--share", "fleet", "--db", self.database),
            )
            for number in range(COLLECTORS)
        ]
        self.folders = [folder / f"device-{index}" for index in range(load.devices)]
        self.devices = [
            self._process(
                f"{each.name}-said",
                *("bench.processes.device", "--state-dir", str(each), "--device-id", each.name),
                *("--broker", url, "--records", str(_RECORDS), "--seconds", str(load.seconds)),
                *("--pause", str(load.pause), "--drain", str(_DRAIN_SECONDS)),
            )
            for each in self.folders
        ]
        for process in (*self.collectors, *self.devices):
            stack.callback(process.end, signal.SIGKILL)
        for collector in self.collectors:
            collector.start()
            collector.wait_for("listening")
        for device in self.devices:
            device.start()

    def _process(self, name: str, *arguments: str) -> Process:
        places = () if self.nats is None else self.nats.places
        _, _, *module = named(places, *arguments)
        return Process(self._folder / f"{name}.log", *module)

    def blows(self, away: float) -> Iterator[tuple[str, Callable[[], None]]]:
        """What is done next, for ever: what to call it, and how to do it.

        Args:
            away: seconds for which a part is away.
        """
        if self._part == "collectors":
            for number in cycle(range(COLLECTORS)):
                yield f"collector {number + 1} is killed", partial(self._kill_collector, number, away)
        elif self._part == "primary":
            while True:
                yield "PostgreSQL is killed", partial(self._kill_primary, away)
        else:
            for number in cycle(range(NODES)):
                yield f"broker {number + 1} is killed", partial(self._kill_brokers, away, number)

    def blow_of_the_middle(self, away: float, silence: Silence) -> tuple[str, Callable[[], None]] | None:
        """What is done once, in the middle; None where nothing is."""
        if self.standby is not None:
            return "PostgreSQL is killed, and its standby promoted", self._promote
        if self.nats is not None:
            return "brokers 2 and 3 are killed", partial(self._without_quorum, away, silence)
        return None

    def raise_up(self) -> None:
        """Start collectors again that ended."""
        for collector in self.collectors:
            collector.start()

    def _kill_collector(self, number: int, away: float) -> None:
        self.collectors[number].end(signal.SIGKILL)
        time.sleep(away)
        self.collectors[number].start()

    def _kill_primary(self, away: float) -> None:
        self.primary.kill()
        time.sleep(away)
        self.primary.start()

    def _promote(self) -> None:
        assert self.standby is not None
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, None

    def _kill_brokers(self, away: float, *numbers: int) -> None:
        assert self.nats is not None
        self.nats.kill(*numbers)
        time.sleep(away)
        self.nats.start(*numbers)

    def _without_quorum(self, away: float, silence: Silence) -> None:
        assert self.nats is not None
        self.nats.kill(1, 2)
        time.sleep(_SETTLED_SECONDS)
        silence.look(self.database)
        before = silence.stored
        time.sleep(away)
        silence.look(self.database)
        if silence.stored != before:
            raise Failed(f"{silence.stored - before} records were stored without a quorum of the brokers")
        self.nats.start(1, 2)
        silence.start_again()


@command
@click.option(
    "--kill", "part", type=click.Choice(get_args(Part)), default="collectors", show_default=True,
    help="What is killed.",
)  # fmt: skip
@click.option("--minutes", type=click.FloatRange(min=0.05), default=10.0, show_default=True, help="Duration.")
@count("--devices", 4, "Devices.")
@seconds("--pause", 0.1, "Seconds between two commits of a device, on average.")
@seconds("--every", 10.0, "Seconds from one blow to the next, on average.")
@seconds("--away", 2.0, "Seconds for which a part is away.")
def main(part: Part, minutes: float, devices: int, pause: float, every: float, away: float) -> None:
    """Print how many records were committed, and how many of them are lost, stored twice or refused."""
    needed.postgres()
    if part != "broker":
        needed.mosquitto()
    load = Load(devices, pause, minutes * 60)
    with tempfile.TemporaryDirectory(prefix="distilbench-cluster-", ignore_cleanup_errors=True) as name:
        try:
            with ExitStack() as stack:
                print(_played(Cluster(Path(name), part, load, stack), load, every, away), flush=True)
        except Failed as failed:
            raise SystemExit(f"bench: {failed}") from None


def _played(cluster: Cluster, load: Load, every: float, away: float) -> str:
    silence = Silence()
    struck = 0
    blows = cluster.blows(away)
    middle = cluster.blow_of_the_middle(away, silence)
    begun = time.monotonic()
    due = begun + every
    while (gone := time.monotonic() - begun) < load.seconds:
        blow = None
        if middle is not None and gone > load.seconds / 2:
            blow, middle = middle, None
        elif time.monotonic() > due:
            blow = next(blows)
        if blow is not None:
            what, strike = blow
            print(f"{gone:5.0f} s: {what}", file=sys.stderr, flush=True)
            strike()
            struck += 1
            due = time.monotonic() + every
        cluster.raise_up()
        silence.look(cluster.database)
        time.sleep(_LOOK_SECONDS)
    codes = [device.wait(_DRAIN_SECONDS) for device in cluster.devices]
    waiting = sum(len(kept(folder / "outbox.db", "receipted IS NULL")) for folder in cluster.folders)
    if not {0, NOT_DELIVERED}.issuperset(codes) or waiting:
        raise Failed(f"devices ended with {codes}, and {waiting} records got no receipt")
    checked = sum(check(cluster.database, folder) for folder in cluster.folders)
    with open_store_to_read(cluster.database) as store:
        rejected = store.value("SELECT count(*) FROM rejected")
        # The key of every table of records is (stream, seq): a second copy could only be in another run.
        stored = sum(stored for _, stored in store.tuples(_STORED))
    refused = sum(len(kept(folder / "outbox.db", "refused IS NOT NULL")) for folder in cluster.folders)
    if rejected or refused or stored != checked:
        raise Failed(
            f"{rejected} messages were rejected, {refused} records refused, and {stored} stored of {checked}"
        )
    return (
        f"{load.seconds / 60:g} minutes, {struck} blows, {checked:,} records: 0 lost, 0 duplicated, "
        f"0 refused; the longest silence of a device was {silence.longest:.1f} s"
    )


if __name__ == "__main__":
    main()
