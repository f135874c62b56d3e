"""How a hub fares with hundreds of devices that join, take orders, report and deliver.

    python -m bench.hub --devices 200 --orders 10

The hub is `collector hub` as a process, with its own Mosquitto and collector, and with TLS. The devices are
clients without a model in this process. Each joins with a pass as a board does, gets every order, reports
how far it is, delivers a run of made-up answers, and reports the end of the order once it has the receipt.
The commands are those that people use. Memory is the resident size of the hub's three processes after each
order; it should not grow with the number of orders.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.commandline import needed
from bench.commandline.options import command, count
from bench.processes.collecting import wait
from bench.processes.light_device import LightDevice
from collector.orders.order_rows import stored_orders
from collector.store.opening import open_store_to_read
from contract.orders.order import Order
from tests.collector import factory
from tests.collector.hub.running_hub import RunningHub, files_in
from tests.collector.orders.hub_folder import put_bundle

_AT_ONCE: Final = 8
_PROCESSES: Final = ("hub", "collector", "mosquitto")
_PLAN: Final = '[[run]]\nbundles = "minilm-int8"\nquestions = "rivers.json"\nrounds = 1\n'


class Pass(NamedTuple):
    """One order for all devices."""

    command_seconds: float
    """How long `collector dispatch` takes."""
    arrived_seconds: float
    """From its start until every device has the order."""
    ended_seconds: float
    """From its start until every order has ended in the database."""
    megabytes: dict[str, float]
    """Resident size by process, once all have ended."""


def joined(hub: RunningHub, devices: int) -> list[LightDevice]:
    """Devices that have joined, one pass for all of them."""
    secret = hub.new_pass(seconds=3600.0, uses=devices)

    def join(number: int) -> LightDevice:
        name = f"device-{number}"
        answer = hub.join(secret, name)
        broker = hub.broker(name, hub.password(answer))
        return LightDevice(broker, name, files_in(answer)["order-secret"].strip())

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(join, range(devices)))


def dispatched(hub: RunningHub, devices: Sequence[LightDevice], plan: Path, answers: int) -> Pass:
    """Order something from all devices, and let them carry it out."""
    before = {device.device_id: {order.id for order in device.orders} for device in devices}
    begun = time.monotonic()
    _collector("dispatch", plan, "--all", "--no-follow", "--dir", hub.folder)
    told = time.monotonic() - begun

    def new_order(device: LightDevice) -> Order | None:
        return next((each for each in device.orders if each.id not in before[device.device_id]), None)

    for device in devices:
        device.wait_for(partial(new_order, device), "an order")
    arrived = time.monotonic() - begun
    orders = [order for device in devices if (order := new_order(device)) is not None]
    runs = []
    for device, order in zip(devices, orders, strict=True):
        device.report(order, "measuring", bundle="MiniLM-L6 int8", round=1, rounds=1)
        runs.append(device.measure(order, answers))
    for device, order, run in zip(devices, orders, runs, strict=True):
        device.wait_for(partial(device.has_receipt, run, answers + 1), "a receipt")
        device.report(order, "done", measured=1)
        device.receipts.clear()
    wait(lambda: _open_orders(hub) == 0)
    ended = time.monotonic() - begun
    for device in devices:
        device.wait_for(partial(_has_no_order, device), "a list without orders")
    return Pass(told, arrived, ended, dict(_memory(hub)))


def _has_no_order(device: LightDevice) -> bool:
    return not device.orders


def _collector(*arguments: str | Path) -> None:
    line = [sys.executable, "-m", "collector", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603  # our own program
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr.strip()}")


def _open_orders(hub: RunningHub) -> int:
    with open_store_to_read(hub.folder / "results.db") as store:
        return len(stored_orders(store))


def _ordered_runs(hub: RunningHub) -> tuple[int, int]:
    """How many runs belong to an order, and how many orders have one."""
    with open_store_to_read(hub.folder / "results.db") as store:
        runs, orders = next(store.tuples("SELECT count(order_id), count(DISTINCT order_id) FROM runs"))
        return int(runs), int(orders)


def _memory(hub: RunningHub) -> Iterator[tuple[str, float]]:
    for name, pid in {"hub": hub.process.pid, **hub.children()}.items():
        yield name, psutil.Process(pid).memory_info().rss / 1e6


def _timed(work: Callable[[], list[LightDevice]]) -> tuple[float, list[LightDevice]]:
    begun = time.monotonic()
    made = work()
    return time.monotonic() - begun, made


@command
@count("--devices", 200, "Devices that join.")
@count("--orders", 10, "Orders that all devices get, one after the other.", least=2)
@count("--answers", 50, "Answers of the run that each device delivers for an order.", least=2)
def main(devices: int, orders: int, answers: int) -> None:
    """Print how long it takes a fleet to join and to carry out orders, and what the hub's memory does."""
    needed.mosquitto()
    with tempfile.TemporaryDirectory(prefix="distilbench-hub-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(RunningHub(folder / "hub"))
        put_bundle(hub.folder / "bundles", "minilm-int8", factory.manifest(precision="int8"))
        (hub.folder / "questions" / "rivers.json").write_bytes(factory.QUESTIONS)
        plan = folder / "plan.toml"
        plan.write_text(_PLAN)
        seconds, fleet = _timed(lambda: joined(hub, devices))
        print(f"{devices} devices joined in {seconds:.1f} s")
        seconds, fleet = _timed(lambda: [stack.enter_context(device) for device in fleet])
        print(f"{devices} devices connected in {seconds:.1f} s\n")
        sizes = " | ".join(f"{each}, MB" for each in _PROCESSES)
        print(f"| order | command, s | all have it, s | all ended, s | {sizes} |")
        print("|--:|--:|--:|--:|--:|--:|--:|")
        passes = []
        for number in range(1, orders + 1):
            found = dispatched(hub, fleet, plan, answers)
            passes.append(found)
            sizes = " | ".join(f"{found.megabytes[each]:.1f}" for each in _PROCESSES)
            times = f"{found.command_seconds:.1f} | {found.arrived_seconds:.1f} | {found.ended_seconds:.1f}"
            print(f"| {number} | {times} | {sizes} |", flush=True)
        middle, end = passes[len(passes) // 2], passes[-1]
        grown = ", ".join(
            f"{each} {end.megabytes[each] - middle.megabytes[each]:+.1f} MB" for each in end.megabytes
        )
        print(f"\nfrom the middle to the end: {grown}")
        runs, distinct = _ordered_runs(hub)
        refused = sum(len(device.refused) for device in fleet)
        print(
            f"{devices * orders} orders, {distinct} of them measured, {runs - distinct} repeated, "
            f"{refused} lists refused"
        )


if __name__ == "__main__":
    main()
