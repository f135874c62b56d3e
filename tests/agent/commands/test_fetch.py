"""`agent fetch`: what it prints while bundles arrive, and where they are."""

import io
import shutil
from pathlib import Path

from click.testing import CliRunner

from agent.cli import cli
from agent.commands.fetch import progress_bars
from collector.serving.bundle_server import serving_bundles
from tests import installed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_for_each_file_on_a_terminal() -> None:
    stream = Terminal()
    with progress_bars(stream) as show:
        show("model.onnx", 500_000, 2_000_000)
        show("model.onnx", 2_000_000, 2_000_000)
        show("tokenizer.json", 100_000, 100_000)
    drawn = stream.getvalue()
    assert "model.onnx" in drawn and "0.5 of 2.0 MB" in drawn and "2.0 of 2.0 MB" in drawn
    assert "0.1 of 0.1 MB" in drawn.partition("tokenizer.json")[2]


def test_a_file_that_is_sent_again_starts_a_new_bar() -> None:
    stream = Terminal()
    with progress_bars(stream) as show:
        show("model.onnx", 1_500_000, 2_000_000)
        show("model.onnx", 250_000, 2_000_000)
        show("model.onnx", 1_000_000, 2_000_000)
    assert "1.0 of 2.0 MB" in stream.getvalue()


def test_without_a_terminal_only_sentences_and_folders_are_printed(tiny_bundle: Path, tmp_path: Path) -> None:
    installed.module("uvicorn")
    shutil.copytree(tiny_bundle, tmp_path / "shelf" / "tiny")
    folder = tmp_path / "here"
    with serving_bundles(tmp_path / "shelf", "127.0.0.1:0") as serving:
        ended = CliRunner().invoke(cli, ["fetch", f"{serving.url}tiny", "--to", str(folder)])
    assert ended.stdout == f"{folder / 'tiny'}\n"
    assert ended.stderr == f"{folder / 'tiny'}: fetched and verified\n"
