"""Findings between rows, checked by hand for four questions."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.comparison.divergence import divergences
from collector.comparison.notes import NO_ENERGY_IN_TURNS
from collector.comparison_inputs.inputs import gather
from collector.findings.accuracy import Drawn
from collector.findings.between_rows import Divergence
from collector.findings.comparison import Comparison
from collector.findings.verdict import Verdict
from collector.report.chapters.answer import answer as answer_chapter
from collector.report.chapters.evidence import evidence
from collector.report.chapters.provenance import provenance
from collector.report.page import Table
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Manifest, Weights
from contract.device import Device
from contract.records import Mark, Outcome, RunStarted
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, run_records, sample, started
from tests.collector.reports import texts, under_load

RANDOM = Weights(origin="random", source="seed 1")
RIGHT = {"q1": "the North Sea", "q2": "1,094 km", "q3": "Dresden and Hamburg", "q4": "Dresden"}
SERVER = device("server", "server", architecture="x86_64", cpu_flags=("avx2",))


def ingest_run(
    store: Store, bundle: Manifest, on: Device | None = None, ms: float = 10.0, **texts: str
) -> None:
    """Ingest a run whose answers are right, except for those in `texts`."""
    answers = [(question, text, ms) for question, text in {**RIGHT, **texts}.items()]
    device_id = "pi-5" if on is None else on.device_id
    take(store, batch(run_records(answers, bundle, on), device_id=device_id))


def found(store: Store) -> Comparison:
    score_answers(store)
    return compare(store)


def test_accuracy_is_compared_on_shared_questions(store_with_golds: Store) -> None:
    ingest_run(store_with_golds, manifest("bert-large"), q4="Hamburg")
    ingest_run(store_with_golds, manifest("minilm-l6"), q1="mountains", q2="1,094", q3="Hamburg")
    (difference,) = found(store_with_golds).differences
    assert (difference.row.model, difference.against.model) == ("minilm-l6", "bert-large")
    assert (difference.questions, difference.only_row, difference.only_against) == (4, 1, 3)
    assert difference.drawn == Drawn(unit="question", units=4)
    exact, f1 = difference.exact_match, difference.f1
    assert exact.difference == -50.0
    assert exact.p_value == exact.adjusted_p_value == pytest.approx(2 * (1 + 4) / 16)
    # F1 of minilm 0, 2/3, 1/2, 1 and of bert-large 1, 1, 1, 0
    assert f1.difference == pytest.approx(100 * (0 + 2 / 3 + 1 / 2 + 1 - 3) / 4)
    # the four differences are -1, -1/3, -1/2, 1: of all 16 signs, 12 make a sum at least as far from 0
    assert f1.p_value == pytest.approx(12 / 16)
    for score in (exact, f1):
        assert score.interval[0] < 0 < score.interval[1]
        assert not score.significant
    assert difference.bertscore_f1 is None


def test_a_gate_is_the_part_of_fp32s_f1(store_with_golds: Store) -> None:
    ingest_run(store_with_golds, manifest("minilm-l6"), q2="1,094")
    ingest_run(store_with_golds, manifest("minilm-l6", "int8"), q2="1,094", q3="Hamburg")
    comparison = found(store_with_golds)
    (gate,) = comparison.gates
    assert gate.percent_of_fp32 == pytest.approx(100 * (1 + 2 / 3 + 1 / 2 + 1) / (1 + 2 / 3 + 1 + 1))
    assert {gate.gate_99.outcome, gate.gate_99_9.outcome} == {"not decided"}
    assert gate.interval[0] < gate.percent_of_fp32 < 99 < gate.interval[1]
    assert gate.gate_99.needs is not None and gate.gate_99.needs > 4
    (divergence,) = comparison.divergences
    assert (divergence.kind, divergence.questions, divergence.differ) == ("precision", 4, 1)
    assert divergence.percent_equal == 75.0
    (example,) = divergence.examples
    assert (example.question_id, example.left, example.right) == ("q3", "Dresden and Hamburg", "Hamburg")


def test_a_bundle_that_answers_otherwise_elsewhere_may_flip_a_gate(store_with_golds: Store) -> None:
    for on in (None, SERVER):
        ingest_run(store_with_golds, manifest("minilm-l6"), on)
    ingest_run(store_with_golds, manifest("minilm-l6", "int8"))
    ingest_run(store_with_golds, manifest("minilm-l6", "int8"), SERVER, q4="Hamburg")
    comparison = found(store_with_golds)
    fp32, int8 = by_hardware(comparison.divergences)
    assert (fp32.differ, fp32.gates_flipped) == (0, ())
    assert (int8.differ, int8.gates_flipped) == (1, ()), "four questions decide no gate"
    assert (int8.left_on, int8.right_on) == ("aarch64 asimddp", "x86_64 avx2")
    assert (int8.left_percent_of_fp32, int8.right_percent_of_fp32) == (100.0, 75.0)
    decided = [
        replace(gate, gate_99=Verdict(outcome="passes" if gate.percent_of_fp32 > 99 else "fails"))
        for gate in comparison.gates
    ]
    fp32, int8 = by_hardware(divergences(gather(store_with_golds).side_pairs, decided))
    assert (fp32.gates_flipped, int8.gates_flipped) == ((), ("99 %",))


def by_hardware(found: Iterable[Divergence]) -> list[Divergence]:
    return sorted((d for d in found if d.kind == "hardware"), key=lambda d: d.left.precision)


def test_every_two_processors_are_compared_and_named(store_with_golds: Store) -> None:
    fast = device(
        "lap-a", "laptop", architecture="x86_64", cpu_model="Core i7", cpu_flags=("avx2", "avx_vnni")
    )
    slow = device("lap-b", "laptop", architecture="x86_64", cpu_model="Atom N100", cpu_flags=("avx2",))
    ingest_run(store_with_golds, manifest("minilm-l6"))
    ingest_run(store_with_golds, manifest("minilm-l6"), fast, q1="Elbe")
    ingest_run(store_with_golds, manifest("minilm-l6"), slow, q1="sea", q2="1")
    comparison = found(store_with_golds)
    assert [(d.left_cpu, d.right_cpu, d.differ) for d in comparison.divergences] == [
        ("Cortex-A76", "Core i7", 1),
        ("Cortex-A76", "Atom N100", 2),
        ("Core i7", "Atom N100", 2),
    ]
    section = next(s for s in evidence(comparison).sections if "processor" in s.title)
    sides = [row[:2] for row in texts(section.tables[0])]
    assert [
        "MiniLM-L6 fp32, Laptop, Core i7, 4 cores, Core i7 (x86_64 avx2 avx_vnni)",
        "MiniLM-L6 fp32, Laptop, Atom N100, 4 cores, Atom N100 (x86_64 avx2)",
    ] in sides
    assert len({tuple(row) for row in sides}) == 3


def test_a_split_says_what_it_leaves_out_and_how_far_its_predictions_are_off(store_with_golds: Store) -> None:
    for precision, on, ms in (("fp32", None, 40.0), ("fp32", SERVER, 10.0), ("int8", SERVER, 4.0)):
        for model, times in (("distilbert", 2.0), ("minilm-l6", 1.0)):
            ingest_run(store_with_golds, manifest(model, precision), on, ms=times * ms)
    ingest_run(store_with_golds, manifest("minilm-l6", "int8"), ms=16.0)
    answers = [("q1", "the North Sea", 900.0)]
    take(store_with_golds, batch(run_records(answers, manifest("bert-large"))))
    comparison = found(store_with_golds)
    fp32 = next(split for split in comparison.splits if split.precision == "fp32")
    assert [(left.row.model, left.questions) for left in fp32.left_out] == [("bert-large", 1)]
    words = next(s for s in answer_chapter(comparison).sections if s.title.startswith("Every model")).words
    assert words[-1].startswith(
        "Left out, although measured: BERT-Large fp32 on Raspberry Pi 5 Model B, 4 cores (1 question). "
    )
    assert "half of the 4 questions" in words[-1]
    predicted = next(line for line in words if line.startswith("≈"))
    assert "fp32" not in predicted, "all of its pairs are measured"


def test_random_weights_give_no_finding_about_answers(store_with_golds: Store) -> None:
    for precision in ("fp32", "int8"):
        ingest_run(store_with_golds, manifest("minilm-l6", precision, weights=RANDOM))
        ingest_run(store_with_golds, manifest("bert-large", precision, weights=RANDOM), SERVER, q1="x")
        ingest_run(store_with_golds, manifest("bert-large", precision, weights=RANDOM))
    comparison = found(store_with_golds)
    assert (comparison.differences, comparison.gates, comparison.divergences) == ((), (), ())
    assert comparison.questions[0].sample is None
    assert all(row.f1_per_ms is None and not row.pareto for row in comparison.rows)
    assert comparison.splits[0].models[0].factor == pytest.approx(1.0)


def test_time_is_split_and_a_pair_that_was_not_measured_is_predicted(store_with_golds: Store) -> None:
    ingest_run(store_with_golds, manifest("bert-large"), ms=120.0)
    ingest_run(store_with_golds, manifest("bert-large"), SERVER, ms=40.0)
    ingest_run(store_with_golds, manifest("minilm-l6"), SERVER, ms=10.0)
    (split,) = found(store_with_golds).splits
    cells = {(cell.model, cell.hardware_class): cell for cell in split.cells}
    missing = cells["minilm-l6", "raspberry-pi-5"]
    assert (missing.measured_ms, missing.interaction) == (None, None)
    assert missing.predicted_ms == pytest.approx(30.0)
    assert cells["bert-large", "server"].measured_ms == pytest.approx(40.0)


def test_energy_load_and_heat_by_hand(store_with_golds: Store) -> None:
    records = (
        started(),
        sample(1, at_ns=0, energy_joules=5.0, temperature_celsius=50.0),
        answer(2, "q1", "the North Sea", 20.0),
        answer(3, "q2", "x", 20.0, marks=("throttled",)),
        sample(4, energy_joules=11.0, temperature_celsius=71.5, clock_hz=1_500_000_000),
        answer(5, "q3", "x", 20.0),
        finished(6, 3, load_ns=250_000_000, first_ns=33_000_000, energy_source="pmic"),
    )
    take(store_with_golds, batch(records))
    comparison = found(store_with_golds)
    (row,) = comparison.rows
    # the meter, which starts with the first question, reads 11 joules after two answers; one of three matches
    assert row.joules_per_question == pytest.approx(5.5)
    assert row.joules_per_correct == pytest.approx(16.5)
    assert (row.energy_source, row.load_ms, row.first_ms) == ("pmic", 250.0, 33.0)
    assert (row.temperature_celsius, row.marks) == (71.5, {"throttled": 1})
    assert row.questions_per_second == pytest.approx(50.0)
    assert row.f1_per_ms == pytest.approx(100 / 3 / 20)
    moments = comparison.traces[0].moments
    assert [m.temperature_celsius for m in moments if m.temperature_celsius] == [50.0, 71.5]
    assert [m.throttled for m in moments].count(True) == 1
    assert (sum(m.answers for m in moments), sum(m.throttled_answers for m in moments)) == (3, 1)


@pytest.mark.parametrize(
    ("turns", "note"),
    [
        (1, "no energy source on the device"),
        (6, NO_ENERGY_IN_TURNS),
    ],
)
def test_a_row_says_why_it_has_no_energy(store_with_golds: Store, turns: int, note: str) -> None:
    start = started()
    start = replace(start, settings=replace(start.settings, rounds=5, turns=turns))
    records = (start, answer(1, "q1", "x", 20.0), finished(2, 1))
    take(store_with_golds, batch(records))
    (row,) = found(store_with_golds).rows
    assert row.joules_per_question is None
    assert row.notes["joules_per_question"] == (note,)


def test_throttled_answers_are_counted_once_whatever_their_marks(store_with_golds: Store) -> None:
    marks: tuple[tuple[Mark, ...], ...] = (
        ("throttled",),
        ("under_voltage",),
        ("throttled", "frequency_capped"),
        ("agent_busy",),
    )
    answers = [answer(seq, f"q{seq}", ms=10.0, marks=marked) for seq, marked in enumerate(marks, start=1)]
    take(store_with_golds, batch((started(), *answers, finished(5))))
    (row,) = found(store_with_golds).rows
    assert row.throttled == 3
    assert row.marks == {"agent_busy": 1, "frequency_capped": 1, "throttled": 2, "under_voltage": 1}


def test_the_questions_of_two_seeds_are_counted_together(store_with_golds: Store) -> None:
    for asked in (("q1", "q2"), ("q3", "q4")):
        first, *rest = run_records([(question, "x", 10.0) for question in asked])
        assert isinstance(first, RunStarted)
        first = replace(first, questions=replace(first.questions, selected=2))
        take(store_with_golds, batch((first, *rest)))
    (row,) = found(store_with_golds).rows
    assert (row.runs, row.answered, row.selected) == (2, 4, 4)


def test_too_few_times_and_a_speed_up_of_none_have_notes(store_with_golds: Store) -> None:
    ingest_run(store_with_golds, manifest("bert-large"), ms=10.0)
    ingest_run(store_with_golds, manifest("minilm-l6"), ms=10.0)
    row = found(store_with_golds).rows[1]
    assert row.speed_up == 1.0
    assert "speed_up" not in row.intervals
    assert any("not told apart" in note for note in row.notes["speed_up"])
    assert row.notes["p99_ms"] == ("no interval: only 4 different questions timed; p99 needs at least 662",)
    take(store_with_golds, batch(run_records([("q1", "Elbe", 9.0)], manifest("distilbert"))))
    few = next(row for row in found(store_with_golds).rows if row.model == "distilbert")
    assert few.notes["p99_ms"] == ("no interval: only 1 different question timed; p99 needs at least 662",)
    assert "p50_ms" not in row.intervals
    assert not row.pareto, "only the first of equal rows is on the front"


def test_the_sample_is_what_the_models_disagree_on_most(store_with_golds: Store) -> None:
    ingest_run(store_with_golds, manifest("bert-large"))
    ingest_run(store_with_golds, manifest("minilm-l6"), q3="Hamburg")
    (questions,) = found(store_with_golds).questions
    assert (questions.questions, questions.articles, questions.passages, questions.golds) == (4, 1, 2, 5)
    assert questions.question_words == pytest.approx((5 + 5 + 2 + 4) / 4)
    assert questions.sample is not None
    assert questions.sample.question_id == "q3"
    assert [(a.row.model, a.exact_match) for a in questions.sample.answers] == [
        ("bert-large", True),
        ("minilm-l6", False),
    ]


def test_provenance_names_the_bytes(store_with_golds: Store) -> None:
    bundle = manifest(recipe={"smoothing": 0.8})
    ingest_run(
        store_with_golds, replace(bundle, weights=Weights(origin="hub", source="a/b", revision="c0ffee"))
    )
    (origin,) = found(store_with_golds).provenance
    assert (origin.weights_source, origin.weights_revision) == ("a/b", "c0ffee")
    assert (origin.model_sha256, origin.recipe) == ("0" * 64, '{"smoothing":0.8}')
    assert (origin.devices, len(origin.runs)) == (("pi-5",), 1)


def test_provenance_shows_settings_that_somebody_chose(store_with_golds: Store) -> None:
    ingest_run(store_with_golds, manifest())
    take(store_with_golds, batch(under_load("offline", Outcome(), [answer(1, "q1")], batch_size=8)))
    plain, offline = (row[6] for row in texts(table_of_runs(found(store_with_golds))))
    assert plain == (
        "scenario single-stream, decoding pipeline, max_tokens 384, stride_tokens 128, max_answer_tokens 15, "
        "threads 4, warmup_questions 2, seed 1"
    )
    assert offline.endswith(", batch_size 8")


def table_of_runs(comparison: Comparison) -> Table:
    return provenance(comparison).sections[1].tables[0]
