import json
import subprocess
import sys
from pathlib import Path

import pytest

from export import cli
from export.models.catalog import MODELS


def export_models(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_list_as_json_is_the_catalog() -> None:
    done = export_models("list", "--json")
    listed = json.loads(done.stdout)
    assert [model["name"] for model in listed] == [model.name for model in MODELS]
    assert listed[0]["published"]["f1"] == 93.2 and listed[0]["parameters"] == 334_094_338


def test_list_as_a_table_has_a_line_for_each_model() -> None:
    lines = export_models("list").stdout.splitlines()
    assert len(lines) == 1 + len(MODELS)
    assert all(line.startswith(model.name) for line, model in zip(lines[1:], MODELS, strict=True))
    assert "google-bert/bert-large-uncased-whole-word-masking-finetuned-squad" in lines[1]


def test_build_prints_the_bundles_and_nothing_else_on_stdout(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    build = ("build", checkpoint, "--precision", "int8,fp32", "--verify", "4", "--to", tmp_path)
    monkeypatch.setattr("sys.argv", ["export-models", *map(str, build)])
    assert cli.main() == 0
    first = capfd.readouterr()
    assert first.out == f"{tmp_path / 'tiny-squad-int8'}\n{tmp_path / 'tiny-squad-fp32'}\n"
    assert [line.split(": ")[1].split()[0] for line in first.err.splitlines()] == [
        "loading",
        "tracing",
        "verifying",
        "calibrating",
        "writing",
        "verifying",
        "writing",
        "verifying",
    ]
    assert cli.main() == 0
    again = capfd.readouterr()
    assert again.out == first.out and again.err.count("reused") == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("distilbret", "--weights", "hub"), "there is no model 'distilbret': did you mean 'distilbert'?"),
        (("distilbert", "--weights", "nowhere"), "there is no folder 'nowhere' to take weights from"),
        (
            ("distilbert", "--weights", "random", "--precision", "fp32,int9"),
            "there is no precision 'int9': choose from fp32, int8, int4",
        ),
        (
            ("distilbert", "minilm-l6", "--weights", "demo/reader"),
            "the folder 'demo/reader' holds one model, but you named 2",
        ),
        (
            ("distilbert", "--weights", "random", "--base", "demo"),
            "--base works only with an adapter folder in --weights",
        ),
    ],
)
def test_wrong_input_gets_one_sentence(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = export_models("build", *arguments, "--to", tmp_path / "bundles")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"export-models: {sentence}\n")
    assert not (tmp_path / "bundles").exists()


def test_an_unwritable_place_gets_one_sentence(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "bundles"
    monkeypatch.setattr("sys.argv", ["export-models", "build", str(checkpoint), "--to", str(place)])
    assert cli.main() == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == f"export-models: cannot write to '{place}': Not a directory"


def test_wrong_usage_exits_2() -> None:
    for arguments in (("build",), ("build", "distilbert"), ("list", "--format", "xml"), ("paint",)):
        done = export_models(*arguments)
        assert done.returncode == 2 and done.stdout == "" and "Usage: export-models" in done.stderr


def test_help_and_version_succeed() -> None:
    assert "Build ONNX bundles" in export_models("--help").stdout
    assert "--precision" in export_models("build", "--help").stdout


def test_control_characters_of_a_name_stay_off_the_terminal() -> None:
    done = export_models("build", "\x1b[31mred", "--weights", "random", "--to", "x")
    assert done.returncode == 1 and "\x1b" not in done.stderr
