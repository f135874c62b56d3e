import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.comparison_inputs.pairs.run_series import gather_series
from collector.comparison_inputs.selection import EVERYTHING, Selection
from collector.errors import BadInput
from collector.findings.trend import Trend
from collector.regression.regression import compare_runs
from collector.regression.time_changes import time_ratio
from collector.regression.trend import trend
from collector.statistics.multiple import holm
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import batch, device, finished, manifest, run_records, started
from tests.collector.turns import SLOWER, STEADY, measured


def trends(store: Store, selection: Selection = EVERYTHING) -> list[Trend]:
    return [trend(series) for series in gather_series(store, selection)]


def marks(found: Trend) -> list[bool | None]:
    return [None if p.since_last is None else p.since_last.time_significant for p in found.points]


def test_a_change_is_marked_where_it_happened_with_the_version_that_changed(store: Store) -> None:
    measured(store, *STEADY, *SLOWER)
    (found,) = trends(store)
    assert marks(found) == [None, False, False, False, True, False, False]
    assert [point.changed for point in found.points] == [
        *[()] * 4,
        ("onnxruntime 1.22 → onnxruntime 1.23",),
        *[()] * 2,
    ]
    slower = found.points[4].since_last
    assert slower is not None and slower.time_percent is not None and slower.time_interval is not None
    assert slower.time_percent == pytest.approx(30, abs=1.5)
    assert slower.time_interval[0] < slower.time_percent < slower.time_interval[1]
    first = found.points[6].since_first
    assert first is not None and first.run_id == found.points[0].run_id and first.time_significant
    assert [point.versions["onnxruntime"] for point in found.points] == ["1.22"] * 4 + ["1.23"] * 3
    assert all(point.p50_ms is not None and point.questions == 70 for point in found.points)


def test_the_test_is_that_of_compare_adjusted_for_the_number_of_runs(store: Store) -> None:
    measured(store, *STEADY, *SLOWER)
    (found,) = trends(store)
    for before, point in zip(found.points, found.points[1:], strict=False):
        (time,) = [
            c for c in compare_runs(store, before.run_id, point.run_id, ()).changes if c.metric == "time"
        ]
        since = point.since_last
        assert since is not None and time.interval is not None
        assert since.time_percent == pytest.approx(time.change)
        assert since.time_interval == pytest.approx(time.interval)
        assert since.questions == time.questions
    (series,) = gather_series(store, EVERYTHING)
    pairs = [m.since_last for m in series.measurements if m.since_last is not None]
    tested = [time_ratio(pair.times, pair.spread) for pair in pairs]
    raw = [ratio.p_value for ratio in tested if ratio is not None and ratio.p_value is not None]
    adjusted = [p.since_last.time_p_value for p in found.points if p.since_last is not None]
    assert len(raw) == 6 and min(raw) > 0
    assert adjusted == list(holm(raw)) != raw


def test_a_slow_drift_shows_against_the_first_run(store: Store) -> None:
    measured(store, *((1.02**n, "1.22") for n in range(12)))
    (found,) = trends(store)
    assert True not in marks(found), "each step is small"
    last = found.points[-1].since_first
    assert last is not None and last.time_percent == pytest.approx(100 * (1.02**11 - 1), abs=2)
    assert last.time_significant


def test_without_repeats_nothing_is_tested_but_the_change_is_known(store: Store) -> None:
    measured(store, (1.0, "1.22"), (1.2, "1.23"))
    (found,) = trends(store)
    since = found.points[1].since_last
    assert since is not None and since.time_percent == pytest.approx(20, abs=1)
    assert (since.time_interval, since.time_significant) == (None, None)


def test_models_devices_and_settings_are_trends_of_their_own(store: Store) -> None:
    take(store, batch(run_records()))
    take(store, batch(run_records(bundle=manifest(precision="int8"))))
    take(store, batch(run_records(on=device("pi-6")), device_id="pi-6"))
    first, *rest = run_records()
    first = replace(started(), settings=replace(started().settings, threads=1))
    take(store, batch((first, *rest)))
    found = trends(store)
    assert [(t.device_id, t.precision, t.settings.rpartition(", ")[2]) for t in found] == [
        ("pi-5", "fp32", "1 thread"),
        ("pi-5", "fp32", "4 threads"),
        ("pi-5", "int8", "4 threads"),
        ("pi-6", "fp32", "4 threads"),
    ]
    assert [t.device_id for t in trends(store, Selection(devices=("pi-6",)))] == ["pi-6"]
    with pytest.raises(BadInput, match="there is no device 'pi-7'"):
        trends(store, Selection(devices=("pi-7",)))


def test_unfinished_and_small_runs_are_left_out(store: Store) -> None:
    take(store, batch(run_records()))
    take(store, batch(run_records()[:3]))
    take(store, batch((started(asked=()), finished(1, 0, status="failed"))))
    (found,) = trends(store)
    assert (len(found.points), found.left_out) == (1, 2)
    take(store, batch((*run_records(bundle=manifest("other"))[:3],)))
    assert [t.model for t in trends(store)] == ["minilm-l6"], "no complete run, no trend"


def test_f1_has_a_test_too(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    take(store_with_golds, batch(run_records([("q1", "no", 10.0), ("q2", "no", 12.0), ("q3", "no", 9.0)])))
    score_answers(store_with_golds)
    (found,) = trends(store_with_golds)
    since = found.points[1].since_last
    assert found.points[0].f1 == pytest.approx(100 * (1 + 2 / 3 + 1 / 2 + 1) / 4)
    assert since is not None and since.f1_points == pytest.approx(-100 * (1 + 2 / 3 + 1 / 2) / 3)
    assert since.f1_significant is False, "three questions say little"


def test_people_get_a_table_and_programs_everything(store: Store, database: Path, tmp_path: Path) -> None:
    measured(store, *STEADY, *SLOWER)
    measured(store, (2.0, "1.22"), model="distilbert")
    text = printed("trend", "--device", "pi-5", "--model", "minilm-l6", "--db", database)
    assert text.startswith("MiniLM-L6 fp32 on pi-5 (Raspberry Pi 5 Model B, 4 cores), rivers: 7 runs\n")
    (slower,) = [line for line in text.splitlines() if " slower  " in line]
    assert "onnxruntime 1.22 → onnxruntime 1.23" in slower and " +30." in slower
    assert text.count(" not significant ") == 5
    everything = printed("trend", "--db", database)
    found = json.loads(printed("trend", "--json", "--db", database))
    assert [(t["model"], len(t["points"])) for t in found] == [("distilbert", 1), ("minilm-l6", 7)]
    assert found[1]["points"][4]["since_last"]["time_significant"] is True
    for name, expected in (("t.json", printed("trend", "--json", "--db", database)), ("t.txt", everything)):
        done = invoked("trend", "--to", tmp_path / name, "--db", database)
        assert (done.returncode, done.stderr) == (0, f"wrote {tmp_path / name}\n")
        assert (tmp_path / name).read_text() == expected


def test_without_a_run_it_says_so(store: Store, database: Path, tmp_path: Path) -> None:
    del store
    done = invoked("trend", "--db", database)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("no complete run of the single-stream scenario was selected")
    page = tmp_path / "page.html"
    done = invoked("trend", "--db", database, "--to", page)
    assert (done.returncode, page.exists()) == (1, False)
    assert f"'{page}' was not written: no complete run" in done.stderr
    done = invoked("trend", "--db", database, "--json", "--format", "html")
    assert done.returncode == 2
    assert "--json and --format cannot be used together" in done.stderr
