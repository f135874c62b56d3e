"""Whether memory and open files stay flat for an hour of restarts, cuts and stalls.

    python -m bench.soak --minutes 60

Devices without a model (`bench.processes.device`), `collector serve` and Mosquitto run as processes, at a
rate that leaves the machine nearly idle. Meanwhile the broker is restarted and killed four times, and
connections are cut and stalled throughout. The tables show each process's slopes, the faults after which its
memory grew, and what was lost or stored twice.

The broker's restarts all happen in the first half, so that its last process has a slope of its own. A slope
is fitted to the means of ten equal stretches after the warm-up, which are nearly independent, while samples
a few seconds apart are not; its interval is Student's, at 95 %.
"""

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click

from bench.commandline import needed
from bench.commandline.options import command, count, seconds
from bench.processes.process import Process
from bench.processes.watch import Watch
from bench.results.committed import Failed, check
from tests.faults.proxy import Stalling
from tests.mosquitto import Mosquitto

_DRAIN_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.25


class Devices(NamedTuple):
    """The devices of a soak."""

    number: int
    pause: float
    """Seconds between two commits, on average."""
    records: int
    """Records per run."""


class Soak:
    """The processes, and the faults that they meet.

    Args:
        folder: for everything that they write.
        devices: how many, and how fast they commit.
        measured: seconds for which the devices make records.
    """

    def __init__(self, folder: Path, devices: Devices, measured: float) -> None:
        self.broker = Mosquitto(folder, lines=("allow_anonymous true", "log_type none"))
        self.broker.start()
        self.near_devices, self.near_collector = Stalling(self.broker.port), Stalling(self.broker.port)
        self.database = folder / "results.db"
        self.collector = Process(
            folder / "collector.log",
            *("collector", "serve", "--broker", f"mqtt://127.0.0.1:{self.near_collector.port}"),
            *("--db", str(self.database)),
        )
        self.collector.start()
        self.collector.wait_for("listening")  # it gives up if it does not reach the broker at its start
        self.folders = [folder / f"device-{index}" for index in range(devices.number)]
        self.devices = [
            Process(
                each.with_suffix(".said"),
                *("bench.processes.device", "--state-dir", str(each), "--device-id", each.name),
                *(
                    "--broker",
                    f"mqtt://127.0.0.1:{self.near_devices.port}",
                    "--records",
                    str(devices.records),
                ),
                *("--seconds", str(measured), "--pause", str(devices.pause), "--drain", str(_DRAIN_SECONDS)),
            )
            for each in self.folders
        ]
        for device in self.devices:
            device.start()

    @property
    def pids(self) -> dict[str, int | None]:
        """The process ids of all; None for one that does not run."""
        devices = {folder.name: device.pid for folder, device in zip(self.folders, self.devices, strict=True)}
        return {"collector": self.collector.pid, **devices, "broker": self.broker.pid}

    def faults(self, stalled: float, away: float) -> list[tuple[float, str, Callable[[], None]]]:
        """Each fault, in order: when, as a share of the time, what to call it, and how to cause it.

        Args:
            stalled: seconds of a stall.
            away: seconds between the end of a broker and its next start.
        """

        def again(end: Callable[[], None]) -> Callable[[], None]:
            def ended() -> None:
                end()
                time.sleep(away)
                self.broker.start()

            return ended

        def stall(proxy: Stalling) -> Callable[[], None]:
            def stop() -> None:
                proxy.stall()
                resume = threading.Timer(stalled, proxy.resume)
                resume.daemon = True  # the end does not wait for it
                resume.start()

            return stop

        planned = [
            (0.12, "the broker is restarted", again(self.broker.stop)),
            (0.24, "the broker is killed", again(self.broker.kill)),
            (0.36, "the broker is restarted", again(self.broker.stop)),
            (0.48, "the broker is killed", again(self.broker.kill)),
            *((0.05 + 0.1 * n, "the devices' connections are cut", self.near_devices.cut) for n in range(9)),
            *(
                (0.10 + 0.2 * n, "the collector's connection is cut", self.near_collector.cut)
                for n in range(5)
            ),
            *((0.08 + 0.3 * n, "the devices stall", stall(self.near_devices)) for n in range(3)),
            *((0.17 + 0.3 * n, "the collector stalls", stall(self.near_collector)) for n in range(3)),
        ]
        return sorted(planned, key=lambda fault: fault[0])

    def close(self) -> None:
        """End all processes that still run."""
        for each in (*self.devices, self.collector):
            each.end(signal.SIGKILL)
        for proxy in (self.near_devices, self.near_collector):
            proxy.close()
        self.broker.stop()


@command
@click.option("--minutes", type=click.FloatRange(min=0.05), default=60.0, show_default=True, help="Duration.")
@count("--devices", 4, "Devices.")
@seconds("--pause", 0.5, "Seconds between two commits of a device, on average.")
@count("--records", 2000, "Records per run; a device makes many runs.", least=2)
@click.option(
    "--warm-up",
    type=click.FloatRange(0, 0.9),
    default=0.2,
    show_default=True,
    help="Share of the time that the slopes leave out.",
)
@seconds("--stall", 45.0, "Seconds of a stall; by default longer than a client waits for an acknowledgement.")
@seconds("--away", 3.0, "Seconds that the broker is away when it restarts.")
def main(
    minutes: float, devices: int, pause: float, records: int, warm_up: float, stall: float, away: float
) -> None:
    """Print Markdown tables of memory, open files and processor time of each process."""
    needed.mosquitto()
    measured = minutes * 60
    # A collector that was killed leaves its upkeep process, which may write until it notices.
    with tempfile.TemporaryDirectory(prefix="distilbench-soak-", ignore_cleanup_errors=True) as name:
        soak = Soak(Path(name), Devices(devices, pause, records), measured)
        try:
            watch = Watch(min(measured / 360, 10.0))
            begun = time.monotonic()
            faults = soak.faults(stall, away)
            count_of_faults = len(faults)
            while (gone := time.monotonic() - begun) < measured:
                if faults and gone > faults[0][0] * measured:
                    _, what, strike = faults.pop(0)
                    print(f"{gone / 60:5.1f} min: {what}", file=sys.stderr, flush=True)
                    watch.note(what)
                    strike()
                watch.look(soak.pids)
                time.sleep(_LOOK_SECONDS)
            print("\n".join([*watch.table(warm_up * measured / 3600), "", *watch.growth()]), flush=True)
            codes = [device.wait(_DRAIN_SECONDS) for device in soak.devices]
            if codes != [0] * devices:
                raise Failed(f"devices ended with {codes}: some records got no receipt")
            checked = sum(check(soak.database, folder) for folder in soak.folders)
            struck = count_of_faults - len(faults)
            print(f"\n{minutes:g} minutes, {struck} faults, {checked:,} records: 0 lost, 0 duplicated")
        except Failed as failed:
            raise SystemExit(f"bench: {failed}") from None
        finally:
            soak.close()


if __name__ == "__main__":
    main()
