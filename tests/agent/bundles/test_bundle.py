import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from agent.bundles.bundle import describe, verified_model, verified_tokenizer
from agent.errors import BundleRefused
from contract.bundle import MANIFEST_FILE, MAX_MANIFEST_BYTES, MODEL_FILE, TOKENIZER_FILE
from tests.agent.conftest import Agent

Spoil = Callable[[Path], None]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit_manifest(bundle: Path, old: str, new: str) -> None:
    path = bundle / MANIFEST_FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def remove_model(bundle: Path) -> None:
    (bundle / MODEL_FILE).unlink()


def remove_manifest(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).unlink()


def link_model(bundle: Path) -> None:
    (bundle / MODEL_FILE).rename(bundle / "elsewhere.onnx")
    (bundle / MODEL_FILE).symlink_to("elsewhere.onnx")


def link_manifest(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).rename(bundle / "elsewhere.json")
    (bundle / MANIFEST_FILE).symlink_to("elsewhere.json")


def pipe_tokenizer(bundle: Path) -> None:
    (bundle / TOKENIZER_FILE).unlink()
    os.mkfifo(bundle / TOKENIZER_FILE)


def lengthen_model(bundle: Path) -> None:
    with (bundle / MODEL_FILE).open("ab") as file:
        file.write(b"\0")


def climb(bundle: Path) -> None:
    edit_manifest(bundle, '"tokenizer.json"', '"../tokenizer.json"')


def absolute(bundle: Path) -> None:
    edit_manifest(bundle, '"tokenizer.json"', '"/etc/passwd"')


def too_large(bundle: Path) -> None:
    size = (bundle / MODEL_FILE).stat().st_size
    edit_manifest(bundle, f'"bytes":{size}', f'"bytes":{2**40}')


def huge_manifest(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).write_bytes(b" " * (MAX_MANIFEST_BYTES + 1))


def other_json(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).write_text('{"title": "\\u001b[31mred"}')


def pointer_as(name: str) -> Spoil:
    """What Git leaves in place of a large file if Git LFS is not installed."""

    def spoil(bundle: Path) -> None:
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123456\n"
        (bundle / name).write_text(pointer)

    return spoil


def newer(bundle: Path) -> None:
    edit_manifest(bundle, '"format_version":1', '"format_version":99')


@pytest.mark.parametrize(
    ("spoil", "quoted"),
    [
        (remove_model, "model.onnx"),
        (remove_manifest, "manifest.json"),
        (link_model, "is a link"),
        (link_manifest, "is a link"),
        (pipe_tokenizer, "not a plain file"),
        (lengthen_model, "bytes, but its manifest states"),
        (climb, "'../tokenizer.json'"),
        (absolute, "'/etc/passwd'"),
        (too_large, str(2**40)),
        (huge_manifest, str(MAX_MANIFEST_BYTES)),
        (other_json, "format_version"),
        (newer, "update distilbench"),
        (pointer_as(MODEL_FILE), "model.onnx' is a Git LFS pointer, not the file itself: run 'git lfs pull'"),
        (pointer_as("tokenizer.json"), "tokenizer.json' is a Git LFS pointer"),
        (pointer_as(MANIFEST_FILE), "manifest.json' is a Git LFS pointer"),
    ],
)
def test_a_wrong_bundle_is_refused_before_anything_is_loaded(
    bundle: Path, spoil: Spoil, quoted: str, agent: Agent
) -> None:
    spoil(bundle)
    ended = agent("answer", bundle, "--question", "Who?", "--context", "Ada did.")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert quoted in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_a_flipped_byte_is_refused(bundle: Path, name: str, agent: Agent) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    ended = agent("answer", bundle, "--question", "Who?", "--context", "Ada did.")
    assert ended.returncode == 1
    assert name in ended.stderr and "SHA-256" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_hashed_file_that_is_no_model_is_refused(bundle: Path, agent: Agent) -> None:
    old = (bundle / MODEL_FILE).read_bytes()
    data = b"\x08\x0a" + b"x" * (len(old) - 2)
    (bundle / MODEL_FILE).write_bytes(data)
    edit_manifest(bundle, hashlib.sha256(old).hexdigest(), hashlib.sha256(data).hexdigest())
    ended = agent("answer", bundle, "--question", "Who?", "--context", "Ada did.")
    assert ended.returncode == 1
    assert "onnxruntime cannot load the model" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def replace_and_load(new: Path, bundle: Path, opened: str) -> bytes:
    new.replace(bundle / MODEL_FILE)
    return Path(opened).read_bytes()


def test_what_is_loaded_is_what_was_hashed(bundle: Path) -> None:
    """A file that takes the model's name after it was hashed is not loaded, and does not go unnoticed."""
    original = (bundle / MODEL_FILE).read_bytes()
    swapped = bundle / "swapped"
    swapped.write_bytes(b"evil")
    loaded = []
    with (
        pytest.raises(BundleRefused, match="changed while it was being loaded"),
        verified_model(describe(bundle)) as opened,
    ):
        loaded.append(replace_and_load(swapped, bundle, opened.path))
    assert loaded == [original] or sys.platform != "linux"


def test_a_model_that_changes_while_it_is_loaded_is_refused(bundle: Path) -> None:
    with (
        pytest.raises(BundleRefused, match="changed while it was being loaded"),
        verified_model(describe(bundle)),
        (bundle / MODEL_FILE).open("r+b") as file,
    ):
        file.write(b"\0")


def test_files_that_the_manifest_does_not_name_are_not_touched(bundle: Path) -> None:
    (bundle / "README.md").symlink_to("/nowhere")
    described = describe(bundle)
    assert hashlib.sha256((bundle / MANIFEST_FILE).read_bytes()).hexdigest() == described.sha256
    assert verified_tokenizer(described) == (bundle / TOKENIZER_FILE).read_bytes()
    assert msgspec.json.decode(verified_tokenizer(described))
