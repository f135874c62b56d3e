"""Whether a bundle fits is estimated before it is loaded; if not, that is a result, and the next one runs."""

import os
import subprocess
from pathlib import Path

import pytest

from agent.bundles.bundle import describe
from agent.machine.memory_estimate import RESERVED_BYTES, available_bytes, needed_bytes, shortage
from contract.bundle import Manifest
from contract.records import RunFinished
from tests.agent.conftest import agent_command, agent_environment
from tests.agent.running.test_run import check_run, ids, read_runs


@pytest.fixture
def manifest(reader_bundle: Path) -> Manifest:
    return describe(reader_bundle).manifest


def machine(root: Path, available_mb: int) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 9999999 kB\nMemAvailable: {available_mb * 1000} kB\n")
    return root


def test_minilm_needs_what_was_measured(manifest: Manifest, reader_bundle_int8: Path) -> None:
    assert needed_bytes(manifest) == pytest.approx(229e6, rel=0.15)
    assert needed_bytes(describe(reader_bundle_int8).manifest) == pytest.approx(136e6, rel=0.25)


def test_what_the_machine_could_free(manifest: Manifest, tmp_path: Path) -> None:
    assert shortage([manifest], 384, machine(tmp_path / "large", 1000)) is None
    lacking = shortage([manifest], 384, machine(tmp_path / "small", 100))
    assert lacking is not None
    assert lacking.sentence.endswith("MB are needed, but only 102 MB of the machine's memory are left")
    assert shortage([manifest], 384, tmp_path / "silent") is None
    assert available_bytes(tmp_path / "silent") is None
    assert available_bytes(tmp_path / "small") == lacking.available_bytes


@pytest.mark.parametrize(
    ("line", "folder", "limit", "use"),
    [
        ("0::/box/agent\n", "sys/fs/cgroup/box", "memory.max", "memory.current"),
        (
            "5:cpuset:/\n4:memory:/box\n",
            "sys/fs/cgroup/memory/box",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
        ),
    ],
)
def test_a_control_group_bounds_it(
    manifest: Manifest, tmp_path: Path, line: str, folder: str, limit: str, use: str
) -> None:
    root = machine(tmp_path, 1000)
    (root / "proc/self/cgroup").write_text(line)
    group = root / folder
    group.mkdir(parents=True)
    (group / limit).write_text("200000000\n")
    (group / use).write_text("150000000\n")
    lacking = shortage([manifest], 384, root)
    assert lacking is not None and "50 MB of the control group's memory are left" in lacking.sentence
    (group / limit).write_text("max\n" if limit == "memory.max" else "9223372036854771712\n")
    assert shortage([manifest], 384, root) is None
    (group / limit).write_text("300000000\n")
    assert shortage([manifest], 384, root) is not None
    (group / "memory.stat").write_text("anon 5\ninactive_file 140000000\n")
    assert shortage([manifest], 384, root) is None, "files that were read are given back"


def limited(state_dir: Path, address_space: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["prlimit", f"--as={address_space}", *agent_command(*arguments)]
    return subprocess.run(
        command, env=agent_environment(state_dir), capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(os.name != "posix", reason="prlimit is Linux's")
@pytest.mark.parametrize("forced", [False, True])
def test_what_does_not_fit_is_a_result_and_the_next_bundle_runs(
    reader_bundle: Path, tiny_bundle: Path, questions: Path, state_dir: Path, tmp_path: Path, *, forced: bool
) -> None:
    large, small = (describe(b).manifest for b in (reader_bundle, tiny_bundle))
    enough_for_small = needed_bytes(small) + RESERVED_BYTES + 10_000_000
    assert enough_for_small < needed_bytes(large) + RESERVED_BYTES
    out = tmp_path / "results.jsonl"
    command = ("run", reader_bundle, tiny_bundle, "--questions", questions, "--to-file", out)
    options = ("--threads", "1", *(("--ignore-memory",) if forced else ()))
    # Forced, the worker gets so little that onnxruntime gives up; small bundles need less than estimated.
    ended = limited(state_dir, 300_000_000 if forced else enough_for_small, *command, *options)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    first, second = read_runs(out).values()
    failed = first[-1]
    assert isinstance(failed, RunFinished) and failed.status == "failed"
    assert "out of memory" in failed.reason
    assert ("(estimated)" in failed.reason) is not forced
    assert check_run(second, ids(questions)).status == "complete"
