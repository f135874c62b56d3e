"""The worker uses huge pages as its settings say."""

import platform
from pathlib import Path

import pytest

from agent.bundles.bundle import describe
from agent.machine.huge_pages import environment
from agent.planning.plan import RuntimeOptions, settings_for
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess

_ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_LIBRARY, _VERSION = platform.libc_ver()


def recorded(huge_pages: bool) -> dict[str, str | int | float | bool]:
    return RuntimeOptions(huge_pages=huge_pages).recorded()


@pytest.mark.parametrize(("huge_pages", "value"), [(True, 1), (False, 0)])
def test_what_is_recorded_counts_over_what_the_user_s_environment_says(
    monkeypatch: pytest.MonkeyPatch, huge_pages: bool, value: int
) -> None:
    ours = f"glibc.malloc.hugetlb={value}"
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert environment(recorded(huge_pages))["GLIBC_TUNABLES"] == ours
    theirs = "glibc.malloc.check=0:glibc.malloc.hugetlb=2"
    monkeypatch.setenv("GLIBC_TUNABLES", theirs)
    assert environment(recorded(huge_pages))["GLIBC_TUNABLES"] == f"{theirs}:{ours}"
    assert environment({})["GLIBC_TUNABLES"] == theirs


@pytest.mark.skipif(
    not _ENABLED.exists() or "[never]" in _ENABLED.read_text(), reason="this Linux gives no huge pages"
)
@pytest.mark.skipif(
    _LIBRARY != "glibc" or tuple(map(int, _VERSION.split("."))) < (2, 35), reason="needs glibc 2.35"
)
def test_the_worker_s_memory_comes_in_huge_pages(reader_bundle: Path) -> None:
    bundle = describe(reader_bundle)
    kilobytes = {}
    for huge_pages in (True, False):
        settings = settings_for(bundle, options=RuntimeOptions(huge_pages=huge_pages))
        with Stop() as stop, WorkerProcess(stop, settings) as worker:
            worker.load(bundle, settings)
            kilobytes[huge_pages] = _huge_kilobytes(worker.pid)
    assert kilobytes[True] > 30_000 + kilobytes[False]


def _huge_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages"))
