"""Tests the verification of finished bundles."""

import json
import shutil
from pathlib import Path

import click.testing
import pytest

from export.answering import verification
from export.building import references
from export.commands.verify import verify
from export.errors import BadInput

ROOT = Path(__file__).parent.parent.parent.parent


def run(*arguments: str | Path) -> click.testing.Result:
    command = [*map(str, arguments), "--limit", "6"]
    return click.testing.CliRunner().invoke(verify, command)


def test_a_quantised_bundle_is_compared_with_the_fp32_bundle_next_to_it(
    reader_bundle: Path, reader_bundle_int8: Path
) -> None:
    done = run(reader_bundle_int8, "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0 and said["against"] == "fp32 bundle 'minilm-l6-fp32'"
    assert said["questions"] == 6 and said["agreement_percent"] > 60 and said["failure"] is None
    assert said["f1_loss_points"] == pytest.approx(
        said["reference_f1_percent"] - said["f1_percent"], abs=0.01
    )


def test_an_fp32_bundle_is_compared_with_its_weights(reader_bundle: Path) -> None:
    done = run(reader_bundle, "--against", ROOT / "demo" / "reader")
    assert done.exit_code == 0
    assert "6 of 6 (100.0 %)" in done.stdout and "PyTorch network of 'reader on" in done.stdout


def test_a_reader_that_lost_its_answers_fails(
    reader_bundle: Path, reader_bundle_int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LEAST_AGREEMENT", 1.01)
    done = run(reader_bundle_int8, "--against", reader_bundle)
    assert done.exit_code == 1 and "outcome" in done.stdout and "failed" in done.stdout
    assert "export-models: minilm-l6-int8 gives the same answer" in done.stderr


def test_changed_files_are_reported_before_anything_is_run(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "tiny-fp32"
    shutil.copytree(tiny_bundle, bundle)
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[-1] ^= 1
    (bundle / "model.onnx").write_bytes(data)
    with pytest.raises(BadInput, match=r"model.onnx' does not match its manifest"):
        references.read_bundle(bundle)
    with pytest.raises(BadInput, match=r"is not a bundle: it has no readable manifest\.json"):
        references.read_bundle(tmp_path)


def test_without_a_reference_the_message_asks_for_one(tiny_bundle: Path, tiny_bundle_int8: Path) -> None:
    manifest = references.read_bundle(tiny_bundle)
    with pytest.raises(
        BadInput, match=r"cannot find a reference .*: its weights came from 'seed 7' \(random\).*--against"
    ):
        references.find(tiny_bundle, manifest, None, None)
    with pytest.raises(BadInput, match="is int8: give an fp32 bundle"):
        references.find(tiny_bundle, manifest, tiny_bundle_int8, None)


def test_a_bundle_of_another_model_is_refused(tiny_bundle: Path, reader_bundle: Path) -> None:
    with pytest.raises(BadInput, match="is a bundle of 'tiny', not of 'minilm-l6'"):
        references.find(reader_bundle, references.read_bundle(reader_bundle), tiny_bundle, None)
