"""The demo's reader on two devices, one of which asks a part of the questions: what it takes over is true."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector.comparison_inputs.answers import Answers, RunSet
from collector.statistics.accuracy.transfer import correction
from collector.store.opening import open_store_to_read
from collector.store.runs import all_runs
from collector.summaries.columns import mean_scores
from collector.summaries.run_summary import Derived
from tests.e2e.programs import QUESTIONS, run

ALL, PART, ASKED, DRAWS = "server", "board", 60, 600


def measured(folder: Path, bundles: tuple[Path, ...], device: str, *options: str | Path) -> Path:
    out = folder / f"{device}.jsonl"
    here = ("--device-id", device, "--hardware-class", device, "--state-dir", folder / device)
    how = ("--rounds", "1", "--threads", "1", "--to-file", out, *options)
    run("agent", "run", *bundles, "--questions", QUESTIONS, *here, *how)
    return out


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_the_true_f1_is_held_on_two_precisions(
    reader_bundle: Path, reader_bundle_int8: Path, tmp_path: Path
) -> None:
    bundles, database = (reader_bundle, reader_bundle_int8), tmp_path / "results.db"
    whole = measured(tmp_path, bundles, ALL)
    run("collector", "questions", "add", QUESTIONS, "--db", database)
    run("collector", "ingest", whole, "--db", database)
    canaries = tmp_path / "canaries.json"
    run("collector", "canaries", QUESTIONS.stem, "--to", canaries, "--db", database)
    part = measured(tmp_path, bundles, PART, "--limit", str(ASKED), "--canary", canaries)
    run("collector", "ingest", part, "--db", database)
    comparison = json.loads(run("collector", "report", "--format", "json", "--db", database))
    rows: dict[tuple[str, str], Any] = {(r["precision"], r["machine"]): r for r in comparison["rows"]}
    for precision in ("fp32", "int8"):
        truth, found = rows[precision, ALL], rows[precision, PART]
        taken_over = found["taken_over"]
        assert (taken_over["device_id"], taken_over["asked"], found["answered"]) == (ALL, ASKED, ASKED)
        for score in ("exact_match", "f1"):
            # The machine is the same, so the true score of the part's device is the whole's.
            low, high = taken_over[score]["transfer"]
            assert low <= truth[score] <= high
            assert found[score] == pytest.approx(truth[score])
            low, high = found["intervals"][score]
            assert low <= truth[score] <= high
        assert taken_over["bit_equal"]
    assert [check["asked"] for check in comparison["canaries"]] == [20, 20]
    assert all(check["differ"] == 0 for check in comparison["canaries"])
    assert "≈" in run("collector", "report", "--db", database)
    held_between_precisions(database)


def held_between_precisions(database: Path) -> None:
    """As if int8 was the same bundle on a machine that answers otherwise: with real flips."""
    with open_store_to_read(database) as store, store.reading():
        derived = Derived(store)
        answers = Answers(store, derived)
        scores = {}
        for one in all_runs(store):
            if one.device_id == ALL:
                columns = answers.columns(RunSet((one,), (derived.summary(one).digest,)))
                scores[one.bundle.precision] = mean_scores(columns, columns.f1).value
    fp32, int8 = scores["fp32"], scores["int8"]
    assert np.count_nonzero(fp32 != int8) > 0, "some answers differ"
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(DRAWS):
        asked = rng.choice(len(fp32), ASKED, replace=False)
        by = correction(int8[asked], fp32, asked)
        held += abs(fp32.mean() + by.value - int8.mean()) <= by.reach
    assert held / DRAWS >= 0.93
