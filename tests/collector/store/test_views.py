from collector.store.database import Store
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records

VIEWS = ("v_runs", "v_answers", "v_samples", "v_devices", "v_questions")


def test_each_view_has_a_row_for_each_thing(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    take(store_with_golds, batch(run_records()))
    counts = {view: store_with_golds.value(f"SELECT count(*) FROM {view}") for view in VIEWS}
    assert counts == {"v_runs": 2, "v_answers": 8, "v_samples": 2, "v_devices": 1, "v_questions": 4}
    run = next(store_with_golds.rows("SELECT * FROM v_runs"))
    assert (run["questions"], run["asked"], run["answered"], run["status"]) == ("rivers", 4, 4, "complete")
    assert (run["load_ms"], run["peak_rss_mb"], run["threads"]) == (300.0, 180.0, 4)
    answer = next(store_with_golds.rows("SELECT * FROM v_answers WHERE question_id = 'q2'"))
    assert (answer["ms"], answer["infer_ms"], answer["at_s"]) == (12.0, 11.3, 2.0)
