"""Checks for `agent doctor` whether this device is ready to measure: one finding per check, with advice.

Nothing is measured and nothing is kept.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agent.bundles.bundle import Bundle, verify
from agent.errors import AgentError, BundleRefused
from agent.machine.device import inspect_device
from agent.machine.energy import find_meter, rapl_zones
from agent.machine.memory_estimate import needed_bytes, shortage
from agent.machine.remarks import remarks
from agent.machine.telemetry import Telemetry
from agent.outbox.state_folder import StateFolder
from agent.outbox.summary import summarise
from agent.planning.plan import settings_for
from commandline.clock import synchronised
from commandline.counted import counted
from commandline.disk import sync_seconds
from commandline.finding import Finding
from contract.codec import printable
from contract.device import Device

SLOW_SYNC_SECONDS: Final = 0.1
"""Longest acceptable commit: with two per second, a run spends a fifth of its time on them."""
_LIBRARIES: Final = "onnxruntime, tokenizers, numpy"
_IMPORT_SECONDS: Final = 60.0
_NEEDS: Final = {"avx512_vnni": {"avx512_vnni", "avx_vnni"}, "avx2": {"avx2"}, "arm64": {"asimd"}}


def examine(
    folder: StateFolder,
    bundles: Sequence[Path],
    outbox_bytes: int,
    root: Path = Path("/"),
    hardware: str | None = None,
) -> Iterator[Finding]:
    """Run all checks that need no network, one after the other.

    Args:
        folder: where results wait.
        bundles: bundles to check as well.
        outbox_bytes: largest size of the outbox.
        root: where the machine's `/proc` and `/sys` are.
        hardware: the hardware class that the user named; None for the detected one.
    """
    device = inspect_device("doctor", hardware, root)
    yield from _machine(device, root)
    yield _runtime()
    yield _clock()
    yield from _disk(folder.path, outbox_bytes)
    yield _outbox(folder)
    for bundle in bundles:
        yield from _bundle(bundle, device, root)


def _machine(device: Device, root: Path) -> Iterator[Finding]:
    flags = " ".join(device.cpu_flags) or "no instruction set that speeds up int8"
    yield Finding(
        about="device",
        level="ok",
        what=f"{device.hardware_class}, {device.cpu_model}, {counted(device.cores, 'core')}, {flags}",
    )
    if device.hardware_class == "unknown":
        nameless = device.model == "unknown"
        yield Finding(
            about="class",
            level="warn" if nameless else "ok",
            what="neither firmware nor kernel names this machine"
            if nameless
            else f"reports show this machine as '{device.model}'",
            advice="give it a class of your own with --hardware-class" if nameless else "",
        )
    found = remarks(root)
    for remark in found:
        yield Finding(about=remark.about, level="warn", what=remark.what, advice=remark.advice)
    if not found:
        yield Finding(about="quiet", level="ok", what="nothing that would disturb a measurement was found")
    if Telemetry(root).read().throttle is None and not any(r.about == "throttling" for r in found):
        what = "this machine does not report it: temperature and clock may show it"
        yield Finding(about="throttling", level="ok", what=what)
    yield _energy(root)


def _energy(root: Path) -> Finding:
    meter = find_meter(root)
    if meter is not None:
        return Finding(about="energy", level="ok", what=meter.source)
    if zones := rapl_zones(root):
        return Finding(
            about="energy",
            level="warn",
            what="the processor measures its energy, but only root may read it",
            advice=f"sudo chmod a+r {' '.join(str(zone.file) for zone in zones)} (until the next reboot)",
        )
    return Finding(about="energy", level="ok", what="no meter: reports show a dash")


def _runtime() -> Finding:
    """Import the libraries in a process of their own, since a wrong build of them would kill it."""
    # Without -P, a file of the current folder that is named like a library would be run.
    command = [sys.executable, "-P", "-c", f"import {_LIBRARIES}; print(onnxruntime.__version__)"]
    try:
        ended = subprocess.run(  # noqa: S603  # our own program
            command, capture_output=True, text=True, timeout=_IMPORT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(about="runtime", level="fail", what="onnxruntime cannot be imported within a minute")
    if ended.returncode == 0:
        return Finding(about="runtime", level="ok", what=f"onnxruntime {printable(ended.stdout.strip())}")
    how = f"signal {-ended.returncode}" if ended.returncode < 0 else _last_line(ended.stderr)
    return Finding(
        about="runtime",
        level="fail",
        what=f"the libraries cannot be imported: {how}",
        advice="reinstall distilbench, or install another version of onnxruntime",
    )


def _clock() -> Finding:
    in_sync = synchronised()
    if in_sync is False:
        return Finding(
            about="clock",
            level="warn",
            what="the system's clock is not synchronised: dates may be wrong, but durations are correct",
            advice="turn on a time service: sudo timedatectl set-ntp true",
        )
    unknown = "the system does not report whether it is synchronised"
    return Finding(about="clock", level="ok", what="synchronised with a time server" if in_sync else unknown)


def _disk(folder: Path, outbox_bytes: int) -> Iterator[Finding]:
    shown, limit = printable(str(folder)), f"{outbox_bytes / 1_048_576:.0f}"
    free = shutil.disk_usage(folder).free
    enough = free >= outbox_bytes
    yield Finding(
        about="disk",
        level="ok" if enough else "warn",
        what=f"{free / 1_048_576:.0f} MiB free at '{shown}', and the outbox may take {limit} MiB",
        advice="" if enough else "free some space, or lower --outbox-mib",
    )
    try:
        seconds = sync_seconds(folder)
    except OSError as error:
        yield Finding(
            about="disk",
            level="fail",
            what=f"'{shown}' cannot be written: {error.strerror}",
            advice="fix its permissions",
        )
        return
    quick = seconds <= SLOW_SYNC_SECONDS
    yield Finding(
        about="disk",
        level="ok" if quick else "warn",
        what=f"a synced write takes {seconds * 1e3:.1f} ms",
        advice="" if quick else "put --state-dir on a faster disk",
    )


def _outbox(folder: StateFolder) -> Finding:
    try:
        summary = summarise(folder.outbox)
    except AgentError as error:
        return Finding(
            about="outbox",
            level="fail",
            what=str(error),
            advice="the next 'agent run' moves a damaged outbox aside",
        )
    refused = sum(part.count for part in summary.refused)
    if refused:
        return Finding(
            about="outbox",
            level="warn",
            what=f"{counted(refused, 'result is', 'results are')} refused: {summary.refused[0].reason}",
            advice="'agent status' lists them; 'agent flush --refused' sends them again",
        )
    return Finding(about="outbox", level="ok", what=counted(summary.pending, "result waits", "results wait"))


def _bundle(path: Path, device: Device, root: Path) -> Iterator[Finding]:
    try:
        bundle = verify(path)
    except BundleRefused as error:
        yield Finding(about="bundle", level="fail", what=str(error), advice="build it or copy it again")
        return
    name = bundle.title
    lacking = shortage([bundle.manifest], settings_for(bundle).max_tokens, root)
    if lacking is not None:
        yield Finding(
            about="bundle",
            level="fail",
            what=f"{name}: {lacking.sentence}",
            advice="end other programs, or measure a smaller model",
        )
        return
    target = unmet_target(bundle, device)
    needs = f"needs about {needed_bytes(bundle.manifest) / 1e6:.0f} MB"
    if target is None:
        yield Finding(about="bundle", level="ok", what=f"{name}: complete, {needs}")
    else:
        yield Finding(
            about="bundle",
            level="warn",
            what=f"{name}: made for {target}, which this processor lacks, so its answers may differ",
            advice="build it with export-models build --target portable",
        )


def unmet_target(bundle: Bundle, device: Device) -> str | None:
    """The instruction set that a bundle was quantised for, if the device lacks it; otherwise None."""
    target = str(bundle.manifest.recipe.get("target") or "portable")
    needed = _NEEDS.get(target)
    return target if needed is not None and not needed & set(device.cpu_flags) else None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return printable(lines[-1])[:200] if lines else "no reason is given"
