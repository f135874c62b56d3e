"""Do memory and open files stay flat for an hour? `python -m bench.soak --minutes 60`.

Light devices (`bench.device`: the agent's outbox and courier), `collector serve` and Mosquitto run as
processes at a rate that leaves the machine nearly idle, while the broker is restarted and killed a few times
and connections are cut and stalled throughout. Prints each process's slopes, what its memory grew after, and
what was lost or doubled.

The broker's restarts all happen in the first half, so that its last process has a slope of its own. A slope
is fitted to the means of ten equal stretches after the warm-up, which are nearly independent, where samples
a few seconds apart are not; its interval is Student's, at 95 %.
"""

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.chaos import Failed, Process, check
from bench.watch import Watch
from tests.faults.proxy import Stalling
from tests.mosquitto import Mosquitto

_STALL_SECONDS: Final = 45.0
"""Longer than anybody waits for an acknowledgement."""
_DRAIN_SECONDS: Final = 300.0


class Soak:
    """The processes, and what befalls them."""

    def __init__(self, folder: Path, devices: int, seconds: float, pause: float, records: int) -> None:
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
        self.folders = [folder / f"device-{index}" for index in range(devices)]
        self.devices = [
            Process(
                each.with_suffix(".said"),
                *("bench.device", "--state-dir", str(each), "--device-id", each.name),
                *("--broker", f"mqtt://127.0.0.1:{self.near_devices.port}", "--records", str(records)),
                *("--seconds", str(seconds), "--pause", str(pause), "--drain", str(_DRAIN_SECONDS)),
            )
            for each in self.folders
        ]
        for device in self.devices:
            device.start()

    @property
    def pids(self) -> dict[str, int | None]:
        """Who runs now."""
        devices = {folder.name: device.pid for folder, device in zip(self.folders, self.devices, strict=True)}
        return {"collector": self.collector.pid, **devices, "broker": self.broker.pid}

    def blows(self) -> list[tuple[float, str, Callable[[], None]]]:
        """When (a share of the time), and what, in order."""

        def again(end: Callable[[], None]) -> Callable[[], None]:
            def ended() -> None:
                end()
                time.sleep(3.0)
                self.broker.start()

            return ended

        def stall(proxy: Stalling) -> Callable[[], None]:
            def stalled() -> None:
                proxy.stall()
                resume = threading.Timer(_STALL_SECONDS, proxy.resume)
                resume.daemon = True  # the end does not wait for it
                resume.start()

            return stalled

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
        return sorted(planned, key=lambda blow: blow[0])

    def close(self) -> None:
        """End what still runs."""
        for each in (*self.devices, self.collector):
            each.end(signal.SIGKILL)
        for proxy in (self.near_devices, self.near_collector):
            proxy.close()
        self.broker.stop()


def main() -> int:
    """Soak, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two commits of a device")
    parser.add_argument("--records", type=int, default=2000, help="of a run; a device makes many runs")
    parser.add_argument("--warm-up", type=float, default=0.2, help="share of the time that is left out")
    given = parser.parse_args()
    seconds = given.minutes * 60
    with tempfile.TemporaryDirectory(prefix="distilbench-soak-") as name:
        soak = Soak(Path(name), given.devices, seconds, given.pause, given.records)
        try:
            watch = Watch(min(seconds / 360, 10.0))
            begun = time.monotonic()
            blows = soak.blows()
            count = len(blows)
            while (gone := time.monotonic() - begun) < seconds:
                if blows and gone > blows[0][0] * seconds:
                    _, what, strike = blows.pop(0)
                    print(f"{gone / 60:5.1f} min: {what}", file=sys.stderr, flush=True)
                    watch.note(what)
                    strike()
                watch.look(soak.pids)
                time.sleep(0.25)
            print("\n".join([*watch.table(given.warm_up * seconds / 3600), "", *watch.growth()]), flush=True)
            codes = [device.wait(_DRAIN_SECONDS) for device in soak.devices]
            if codes != [0] * given.devices:
                print(f"devices ended with {codes}: not everything was receipted")
                return 1
            records = sum(check(soak.database, folder.with_suffix(".log")) for folder in soak.folders)
            print(f"\n{given.minutes:.0f} minutes, {count} blows, {records:,} records: 0 lost, 0 doubled")
        except Failed as failed:
            print(failed)
            return 1
        finally:
            soak.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
