"""`make demo`, with fewer questions: the three programs, the embedded broker and the report."""

import json
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.e2e.programs import command, run


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_the_demo_measures_scores_and_reports(tmp_path: Path) -> None:
    folder = tmp_path / "demo-results"
    done = subprocess.run(
        command("demo", "--to", folder, "--limit", "12"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "5/5" in done.stderr
    for title in ("BERT-Large", "DistilBERT", "MiniLM-L6", "MiniLM-L3", "MiniLM-L2"):
        assert len(re.findall(rf"^{title} +(fp32|int8) ", done.stdout, re.MULTILINE)) == 2

    rows = json.loads(run("collector", "report", "--format", "json", "--db", folder / "results.db"))["rows"]
    assert len(rows) == 10
    for row in rows:
        assert row["answered"] == row["selected"] == 12
        assert row["p50_ms"] > 0
        scored = row["model"].startswith("minilm")
        for score in ("exact_match", "f1", "bertscore_f1"):
            assert (row[score] is not None) == scored, row
    speed_up = {(row["model"], row["precision"]): row["speed_up"] for row in rows}
    assert speed_up["bert-large", "fp32"] == 1.0
    assert speed_up["minilm-l6", "fp32"] > speed_up["distilbert", "fp32"] > 2.0
    assert speed_up["minilm-l2", "fp32"] > speed_up["minilm-l6", "fp32"]

    page = (folder / "report.html").read_text()
    assert "MiniLM-L6" in page
    assert "random weights" in page
    connection = sqlite3.connect(folder / "results.db")
    try:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (120,)
    finally:
        connection.close()


def test_models_with_random_weights_are_asked_fewer_questions() -> None:
    from demo.__main__ import _limits

    assert _limits(None) == "bert-large=30,distilbert=30"
    assert _limits(20) == "20,bert-large=20,distilbert=20"
