import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_makes_no_session_id(tmp_path: Path) -> None:
    # Where it sees the variables of a CI, onnxruntime is quiet by itself, and the control shows nothing.
    bare = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LD_LIBRARY_PATH"}}
    loud = "import onnxruntime"
    for script, left in ((loud, [".ses"]), ("import agent.reading.model", [])):
        folder = tmp_path / str(len(left))
        folder.mkdir()
        environment = {**bare, "TMPDIR": str(folder)}
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
        assert [path.name for path in folder.iterdir()] == left, "has onnxruntime changed its ways?"
