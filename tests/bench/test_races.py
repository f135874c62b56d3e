"""The benchmarks that race networks, on tiny ones: their tables, and what is left when one is stopped."""

import os
import signal
from pathlib import Path

import click.testing
import pytest

import bench.int8
import bench.models
import bench.races.interruptible
from contract.questions import decode_questions
from export.answering.inference import Cutter, Logits, Network, Window, onnx_network
from export.answering.paired_timing import Runner
from export.models.catalog import find
from export.models.resolve import Named
from tests.export.building.test_families import shrunken

SAMPLE = Path(__file__).parent.parent.parent / "demo" / "sample-questions.json"


def rows(output: str) -> list[list[str]]:
    """Cells of a Markdown table's rows, below its heading."""
    lines = [line for line in output.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_recipes_are_built_from_weights_and_compared(checkpoint: Path) -> None:
    arguments = ("--questions", SAMPLE, "--weights", checkpoint, "--limit", "3", "--recipe", "s7, fused")
    with pytest.raises(AssertionError, match="there is no recipe 's7, fused'"):
        run_int8(*arguments)
    said = run_int8(*arguments[:-1], "s7")
    fp32, s7 = rows(said.stdout)
    assert fp32[:2] == ["fp32", "100.0"] and fp32[5] == "1.00" and s7[0] == "s7"
    assert said.stdout.startswith("3 questions of sample-questions.json, 2 threads")
    assert said.stderr.count("recipe ") == 2


def test_bundles_are_compared(tiny_bundle: Path, tiny_bundle_int8: Path) -> None:
    said = run_int8(tiny_bundle, tiny_bundle_int8, "--questions", SAMPLE, "--limit", "3")
    assert [row[0] for row in rows(said.stdout)] == ["tiny-fp32", "tiny-int8"]


def run_int8(*arguments: str | Path) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(bench.int8.main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr
    return done


def test_families_are_compared_by_time_and_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.models, "find", lambda name: Named(shrunken(find(name)), None))
    done = click.testing.CliRunner().invoke(
        bench.models.main, ["minilm-l6", "distilbert", "--bundles", str(tmp_path), "--limit", "2"]
    )
    assert done.exit_code == 0, done.stderr
    first, second = rows(done.stdout)
    assert (first[0], first[2], first[4]) == ("MiniLM-L6", "1.0", "1")
    # Both have two layers of the same sizes once shrunken.
    assert (second[0], second[2]) == ("DistilBERT", "1.0") and first[1] == second[1]


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_race_that_is_stopped_gives_what_all_have_answered(tiny_bundle: Path, kind: signal.Signals) -> None:
    cutter, network = _parts(tiny_bundle)
    asked = decode_questions(SAMPLE.read_bytes()).questions[:20]
    calls = 0

    def stopping(window: Window) -> Logits:
        nonlocal calls
        calls += 1
        if calls == 12:
            os.kill(os.getpid(), kind)
        return network(window)

    raced = bench.races.interruptible.race([Runner(network, cutter), Runner(stopping, cutter)], asked)
    assert 0 < len(raced.questions) < 12 and raced.questions == asked[: len(raced.questions)]
    assert {len(lap.seconds) for lap in raced.laps} == {len(raced.questions)}
    assert raced.of == f"{len(raced.questions)} of 20 questions, then stopped,"


def test_a_race_that_is_stopped_at_once_says_so(tiny_bundle: Path) -> None:
    cutter, _ = _parts(tiny_bundle)

    def stopped(window: Window) -> Logits:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="stopped before all networks had answered the first question"):
        bench.races.interruptible.race(
            [Runner(stopped, cutter)], decode_questions(SAMPLE.read_bytes()).questions[:1]
        )


def _parts(bundle: Path) -> tuple[Cutter, Network]:
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    return Cutter((bundle / "tokenizer.json").read_text(), inputs), onnx_network(bundle / "model.onnx")
