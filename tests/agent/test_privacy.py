import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_makes_no_session_id(tmp_path: Path) -> None:
    # With CI set, onnxruntime is quiet of its own accord, and the control would show nothing.
    silencing = {"CI", "ORT_DISABLE_TELEMETRY"}
    quiet = {key: value for key, value in os.environ.items() if key not in silencing}
    loud = "import onnxruntime"
    for script, left in ((loud, [".ses"]), ("import agent.model", [])):
        folder = tmp_path / str(len(left))
        folder.mkdir()
        environment = {**quiet, "TMPDIR": str(folder)}
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
        assert [path.name for path in folder.iterdir()] == left, "has onnxruntime changed its ways?"
