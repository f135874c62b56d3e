import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from contract.bundle import Manifest, decode_manifest, encode_manifest
from export import cli
from export.building.build import BuildRequest, build
from export.errors import BadInput, NotInstalled, StorageUnavailable
from export.recipes import recipe as recipes
from tests.export.tiny_models import TINY

TINY_RANDOM = BuildRequest(model=TINY, weights="random", seed=7)


def manifest_of(bundle: Path) -> Manifest:
    return decode_manifest((bundle / "manifest.json").read_bytes())


def silent(line: str) -> None:
    pass


@pytest.fixture
def shelf(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the tiny bundle, to build into."""
    shutil.copytree(tiny_bundle, tmp_path / "shelf" / tiny_bundle.name)
    return tmp_path / "shelf"


@pytest.mark.parametrize(
    "fixture", ["tiny_bundle", "tiny_bundle_int8", "reader_bundle", "reader_bundle_int8"]
)
def test_a_manifest_says_what_is_in_the_folder(fixture: str, request: pytest.FixtureRequest) -> None:
    bundle = request.getfixturevalue(fixture)
    manifest = manifest_of(bundle)
    assert {path.name for path in bundle.iterdir()} == {*manifest.files, "manifest.json"}
    for name, entry in manifest.files.items():
        data = (bundle / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry.bytes, entry.sha256)
    assert encode_manifest(manifest) == (bundle / "manifest.json").read_bytes()
    assert bundle.name == f"{manifest.model}-{manifest.precision}"


def test_a_manifest_says_where_everything_came_from(tiny_bundle: Path, reader_bundle_int8: Path) -> None:
    tiny, reader = manifest_of(tiny_bundle), manifest_of(reader_bundle_int8)
    assert (tiny.weights.origin, tiny.weights.source, tiny.precision) == ("random", "seed 7", "fp32")
    assert tiny.parameters == TINY.parameters and tiny.recipe["tokenizer"] == "bert-base-uncased"
    assert (reader.weights.origin, reader.max_tokens) == ("adapter", 512)
    assert reader.weights.source == "reader on sentence-transformers/all-MiniLM-L6-v2"
    assert reader.weights.revision is not None and reader.weights.revision.startswith("sha256:")
    assert {"torch", "onnx", "optimum-onnx", "transformers"} <= reader.tools.keys()


def test_a_tokenizer_neither_pads_nor_truncates(tiny_bundle: Path, reader_bundle: Path) -> None:
    for bundle in (tiny_bundle, reader_bundle):
        tokenizer = json.loads((bundle / "tokenizer.json").read_bytes())
        assert tokenizer["truncation"] is None and tokenizer["padding"] is None


def test_a_seed_makes_the_same_bytes_again_and_another_seed_others(tiny_bundle: Path, tmp_path: Path) -> None:
    (again,) = build(TINY_RANDOM, tmp_path / "again", silent)
    other_seed = BuildRequest(model=TINY, weights="random", seed=8)
    (other,) = build(other_seed, tmp_path / "other", silent)
    assert manifest_of(again).files == manifest_of(tiny_bundle).files
    assert manifest_of(other).files["model.onnx"] != manifest_of(tiny_bundle).files["model.onnx"]


@pytest.mark.proof
def test_int8_is_the_same_bytes_again(tiny_bundle_int8: Path, tmp_path: Path) -> None:
    """Builds in another process, because its hash seed must not change any order."""
    script = (
        "import sys; from pathlib import Path; from tests.export.tiny_models import TINY\n"
        "from export.building.build import BuildRequest, build\n"
        "request = BuildRequest(model=TINY, weights='random', seed=7, precisions=('int8',))\n"
        "build(request, Path(sys.argv[1]), print)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True)
    assert manifest_of(tmp_path / "tiny-int8").files == manifest_of(tiny_bundle_int8).files


def test_what_is_there_already_is_reused(shelf: Path) -> None:
    said: list[str] = []
    before = (shelf / "tiny-fp32").stat()
    assert build(TINY_RANDOM, shelf, said.append) == [shelf / "tiny-fp32"]
    assert (shelf / "tiny-fp32").stat() == before
    assert said == ["tiny-fp32: already built from the same weights with the same tools; reused"]


@pytest.mark.parametrize("change", ["seed", "force", "byte", "tools"])
def test_what_is_not_the_same_is_built_again(shelf: Path, change: str) -> None:
    bundle = shelf / "tiny-fp32"
    request = TINY_RANDOM
    if change == "seed":
        request = BuildRequest(model=TINY, weights="random", seed=9)
    elif change == "force":
        request = BuildRequest(model=TINY, weights="random", seed=7, force=True)
    elif change == "byte":
        model = bytearray((bundle / "model.onnx").read_bytes())
        model[-1] ^= 1
        (bundle / "model.onnx").write_bytes(model)
    else:
        text = (bundle / "manifest.json").read_text()
        (bundle / "manifest.json").write_text(text.replace('"onnx":"', '"onnx":"0.'))
    before = bundle.stat().st_ino
    said: list[str] = []
    build(request, shelf, said.append)
    assert bundle.stat().st_ino != before and said[-2:] == ["tiny-fp32: writing", "tiny-fp32: verifying"]
    assert [path.name for path in shelf.iterdir()] == ["tiny-fp32"]
    assert manifest_of(bundle).weights.source == f"seed {request.seed}"


def test_a_bundle_is_replaced_at_once(shelf: Path) -> None:
    """A program that looks during a replacement finds either the whole old bundle or the whole new one."""
    bundle = shelf / "tiny-fp32"
    stop = threading.Event()
    seen: set[str | None] = set()

    def look() -> None:
        while not stop.is_set():
            try:
                seen.add(manifest_of(bundle).weights.source)
            except FileNotFoundError:
                seen.add(None)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for seed in (9, 7, 9):
            build(BuildRequest(model=TINY, weights="random", seed=seed, verify=0), shelf, silent)
    finally:
        stop.set()
        looking.join()
    assert seen == {"seed 7", "seed 9"}


def test_a_folder_that_is_not_a_bundle_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tiny-fp32").mkdir()
    (tmp_path / "tiny-fp32" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match=r"tiny-fp32' already exists and is not a bundle"):
        build(TINY_RANDOM, tmp_path, silent)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "tiny-fp32",
        "tiny-fp32/thesis.txt",
    ]


def test_a_file_beside_a_bundle_is_not_deleted_with_it(tmp_path: Path) -> None:
    (bundle,) = build(TINY_RANDOM, tmp_path, silent)
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"tiny-fp32' holds 'notes\.txt', which is not part of the bundle"):
        build(BuildRequest(model=TINY, weights="random", seed=12), tmp_path, silent)
    assert (bundle / "notes.txt").read_text() == "mine"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recipes, "write", fail)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        build(TINY_RANDOM, tmp_path, silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kill", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_build_that_is_stopped_leaves_nothing_and_prints_no_traceback(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    kill: signal.Signals,
    status: int,
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def killed(*_: object) -> None:
        signal.raise_signal(kill)
        time.sleep(10)  # Python acts on a signal between two instructions

    monkeypatch.setattr(recipes, "write", killed)
    arguments = ("build", checkpoint, "--no-verify", "--to", tmp_path / "bundles")
    monkeypatch.setattr("sys.argv", ["export-models", *map(str, arguments)])
    try:
        ended: object = cli.main()
    except SystemExit as exit_:
        ended = exit_.code
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == status and list((tmp_path / "bundles").iterdir()) == []
    assert "Traceback" not in capfd.readouterr().err


def test_a_killed_build_leaves_no_bundle_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export", "build", "tinybert-4l", "--weights", "random"]
    process = subprocess.Popen([*command, "--to", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "tracing" in line:
            break
    deadline = time.monotonic() + 150
    while not list(tmp_path.glob(".building-*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=150)
    (workshop,) = tmp_path.iterdir()
    assert workshop.name.startswith(".building-")
    build(TINY_RANDOM, tmp_path, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-fp32"]


def test_a_missing_extra_is_named_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.toolchain.find_spec", lambda name: None if name == "optimum" else True)
    with pytest.raises(
        NotInstalled, match=r"are not installed \(optimum\); install them with: .*pip install .*\[export\]'"
    ):
        build(TINY_RANDOM, tmp_path, silent)
