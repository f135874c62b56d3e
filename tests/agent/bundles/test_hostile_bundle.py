"""F23 and F24: a bundle is data. Nothing in it is run, and no bytes are loaded but those that were hashed."""

import hashlib
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from agent.bundles.bundle import describe
from contract.bundle import MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE
from tests.agent.conftest import ROOT, Agent

WATCHED = """
import os, sys
from pathlib import Path
from agent.bundles.bundle import describe
from agent.planning.plan import settings_for
from agent.reading.reader import Reader

folder, touched = sys.argv[1], set()

def note(event, arguments):
    if event in {"pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}:
        touched.add(event)
    if event == "exec":
        arguments = (arguments[0].co_filename,)
    for argument in arguments:
        if isinstance(argument, str) and argument.startswith(folder + os.sep):
            touched.add(f"{event} {os.path.basename(argument)}")

sys.addaudithook(note)
bundle = describe(Path(folder))
print(Reader(bundle, settings_for(bundle)).read("Who built it?", "Ada built it.").text)
print("\\n".join(sorted(touched)), file=sys.stderr)
"""


class _Owned:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (Path("owned"), "by a pickle")


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def test_f23_nothing_but_its_onnx_and_json_is_read(bundle: Path) -> None:
    code = "from pathlib import Path\nPath('owned').write_text('by a module')\n"
    for name in ("numpy.py", "modeling_bert.py", "__init__.py", "sitecustomize.py"):
        (bundle / name).write_text(code)
    for name in ("pytorch_model.bin", "tokenizer.pkl", "training_args.bin"):
        (bundle / name).write_bytes(pickle.dumps(_Owned()))
    (bundle / "libops.so").write_bytes(b"\x7fELF")
    (bundle / "config.json").write_text('{"auto_map": {"AutoModel": "modeling_bert.Model"}}')
    command = [sys.executable, "-P", "-c", WATCHED, str(bundle)]
    done = subprocess.run(
        command, cwd=bundle, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (bundle / "owned").exists()
    assert done.stderr.splitlines() == sorted(
        f"open {name}" for name in (MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE)
    )


def put(model: onnx.ModelProto, bundle: Path) -> None:
    """Make this the bundle's model, as its manifest says it is."""
    replace_file(bundle, MODEL_FILE, model.SerializeToString())


def replace_file(bundle: Path, name: str, new: bytes) -> None:
    """Make these the bytes of a bundle's file, as its manifest says they are."""
    old = (bundle / name).read_bytes()
    (bundle / name).write_bytes(new)
    text = (bundle / MANIFEST_FILE).read_text()
    for before, after in (
        (hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest()),
        (f'"bytes":{len(old)}', f'"bytes":{len(new)}'),
    ):
        assert before in text
        text = text.replace(before, after)
    (bundle / MANIFEST_FILE).write_text(text)


def test_f23_an_operator_that_the_runtime_does_not_bring_is_refused(bundle: Path, agent: Agent) -> None:
    model = onnx.load(bundle / MODEL_FILE)
    model.opset_import.append(onnx.helper.make_opsetid("elsewhere.ops", 1))
    model.graph.node.append(onnx.helper.make_node("Shell", ["input_ids"], ["told"], domain="elsewhere.ops"))
    put(model, bundle)
    refused(agent, bundle, "onnxruntime cannot load the model")


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_f24_weights_beside_the_model_are_not_loaded(bundle: Path, agent: Agent, location: str) -> None:
    """Their bytes would not be those that were hashed."""
    model = onnx.load(bundle / MODEL_FILE)
    weights = next(w for w in model.graph.initializer if len(w.raw_data) > 10_000)
    for beside in (bundle / "weights.bin", bundle.parent / "weights.bin"):
        beside.write_bytes(weights.raw_data)
    onnx.external_data_helper.set_external_data(weights, location)
    weights.ClearField("raw_data")
    put(model, bundle)
    refused(agent, bundle, "onnxruntime cannot load the model")


def refused(agent: Agent, bundle: Path, sentence: str) -> None:
    assert describe(bundle).manifest, "the manifest has nothing against it"
    ended = agent("answer", bundle, "--question", "Who?", "--context", "Ada did.")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
