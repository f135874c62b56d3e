"""What the first screen shows if the runs behind it are unlike: an audit's databases, made small."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.comparison_inputs.machine import machine_of
from collector.comparison_inputs.selection import Selection
from collector.errors import BadInput
from collector.findings.comparison import Comparison, Row
from collector.regression.regression import compare_runs
from collector.report.formats.render import render
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Manifest
from contract.device import Device
from contract.questions import decode_questions
from contract.records import QuestionSet, Record
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, sample, started

QUESTIONS = 40
FILE = msgspec.json.encode(
    {
        "data": [
            {
                "title": "Numbers",
                "paragraphs": [
                    {
                        "context": f"Number {n} is here.",
                        "qas": [
                            {
                                "id": f"n{n}",
                                "question": "Which number?",
                                "answers": [{"text": f"Number {n}", "answer_start": 0}],
                            }
                        ],
                    }
                    for n in range(QUESTIONS)
                ],
            }
        ]
    }
)
SHA256 = decode_questions(FILE).sha256

PI_A, PI_B = device("pi-a"), device("pi-b")
LAPTOP: dict[str, Any] = {
    "hardware_class": "laptop",
    "architecture": "x86_64",
    "model": "A laptop",
    "cores": 8,
}
I7 = device("lap-a", cpu_model="Intel(R) Core(TM) i7-1260P", **LAPTOP)
ATOM = device("lap-b", cpu_model="Intel(R) N100", **LAPTOP)

BERT, MINILM = manifest("bert-large"), manifest("minilm-l6")


@pytest.fixture
def lab(store: Store, tmp_path: Path) -> Store:
    path = tmp_path / "numbers.json"
    path.write_bytes(FILE)
    add_questions(store, path)
    return store


def measure(
    store: Store,
    bundle: Manifest,
    on: Device = PI_A,
    ms: float = 10.0,
    *,
    asked: Sequence[int] = range(QUESTIONS),
    wrong: int = 4,
    end: str | None = "complete",
    answered: int | None = None,
    noise: float = 0.02,
    **settings: object,
) -> str:
    """Ingest a run.

    Args:
        store: the database.
        bundle: the model.
        on: the device.
        ms: the time of a typical question.
        asked: the numbers of the questions.
        wrong: how many of the first questions are answered wrongly.
        end: how the run ended; None for a run that has not ended.
        answered: how many of the questions the run got to.
        noise: the standard deviation of the logarithms of the times.
        settings: settings other than the usual ones.
    """
    draw = random.Random(store.value("SELECT count(*) FROM streams"))
    first = started(bundle, on)
    first = replace(
        first,
        questions=QuestionSet(name="numbers", sha256=SHA256, total=QUESTIONS, selected=len(asked)),
        settings=replace(first.settings, **settings),
    )
    answers = [
        answer(
            seq,
            f"n{n}",
            f"Number {n}" if n >= wrong else "nothing",
            ms * (1 + 7 * n % QUESTIONS / QUESTIONS) * draw.lognormvariate(0, noise),
        )
        for seq, n in enumerate(asked[:answered], start=1)
    ]
    last = len(answers) + 1
    records: tuple[Record, ...] = (first, *answers, sample(last))
    if end is not None:
        reason = "" if end == "complete" else "why"
        records = (*records, finished(last + 1, len(answers), status=end, reason=reason))
    run_id = f"{draw.getrandbits(128):032x}"
    take(store, batch(records, run_id, on.device_id))
    return run_id


def found(store: Store, **options: object) -> Comparison:
    score_answers(store)
    return compare(store, **options)  # type: ignore[arg-type]  # those of `compare`


def screen(store: Store, **options: object) -> str:
    return render(found(store, **options), "table", width=200)


def line(text: str, *words: str) -> str:
    """The only line of a text that has all these words."""
    (only,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return only


def row_of(comparison: Comparison, model: str) -> Row:
    (only,) = [row for row in comparison.rows if row.model == model]
    return only


def test_a_smoke_run_after_a_complete_one_is_one_line(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM, wrong=4)
    measure(lab, MINILM, ms=9.0, asked=range(20, 21), wrong=0, threads=1)
    text = screen(lab)
    assert "90.0" in line(text, "MiniLM-L6", "40/40")
    assert "also measured: 1 thread, 1 question" in text
    assert "not told apart: MiniLM-L6 fp32 and BERT-Large fp32" in text


def test_a_smoke_run_with_the_same_settings_is_not_pooled(lab: Store) -> None:
    measure(lab, MINILM)
    measure(lab, MINILM, ms=9.0, asked=range(1))
    row = row_of(found(lab), "minilm-l6")
    assert (row.runs, row.timed) == (1, 40)
    assert row.notes["title"] == ("also measured: 1 question",)


def test_of_complete_settings_with_equal_questions_the_newest_stand(lab: Store) -> None:
    measure(lab, MINILM)
    measure(lab, MINILM, ms=30.0, threads=1)
    text = screen(lab)
    assert "also measured: 4 threads, 40 questions" in text
    assert row_of(found(lab), "minilm-l6").p50_ms == pytest.approx(45.0, rel=0.1)


@pytest.mark.parametrize("end", ["failed", "interrupted", None])
def test_a_run_that_is_not_complete_displaces_nothing(lab: Store, end: str | None) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM)
    newer = manifest("minilm-l6", recipe={"new": "version"})
    measure(lab, newer, ms=9.0, wrong=0, answered=3, end=end)
    text = screen(lab)
    assert "90.0" in line(text, "MiniLM-L6", "40/40")
    assert f"3 of 40 questions, {end or 'running'}" in line(text, "also measured: bundle ")
    assert "partial" not in text


def test_a_row_of_partial_runs_only_is_marked(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM, answered=30, end="interrupted")
    text = screen(lab)
    assert "86.7" in line(text, "MiniLM-L6", "30/40 partial")
    assert "high accuracy" in line(text, "MiniLM-L6 fp32 (partial) (one of 2)")
    assert "was interrupted after 30 answers" in text
    assert "partial" not in line(text, "BERT-Large", "40/40")


def test_two_samples_count_the_questions_of_both(lab: Store) -> None:
    measure(lab, MINILM, asked=range(10))
    measure(lab, MINILM, ms=11.0, asked=range(10, 20), wrong=0)
    row = row_of(found(lab), "minilm-l6")
    assert (row.runs, row.answered, row.selected) == (2, 20, 20)


def test_a_selection_chooses_runs_and_refuses_what_it_does_not_know(lab: Store) -> None:
    first = measure(lab, MINILM)
    second = measure(lab, MINILM, PI_B, ms=20.0)
    measure(lab, BERT, ms=100.0, threads=1)

    def chosen(**values: object) -> set[str]:
        rows = found(lab, selection=msgspec.convert(values, Selection)).provenance
        return {run for row in rows for run in row.runs}

    assert chosen(runs=[first[:8]]) == {first}
    assert chosen(devices=["pi-b"]) == {second}
    assert chosen(models=["MiniLM-L6"], exclude=[first]) == {second}
    assert len(chosen(settings=["threads=1", "threads=4"])) == 3
    assert chosen(settings=["threads=4"], since="2026-11-24") == {first, second}
    for values, sentence in (
        ({"models": ["minilm-6"]}, "there is no model 'minilm-6'; the nearest is 'minilm-l6'"),
        ({"devices": ["pi-c"]}, "there is no device 'pi-c'; the nearest is 'pi-"),
        ({"precisions": ["int8"]}, "there is no precision 'int8'; there are 'fp32'"),
        ({"hardware": ["raspberry-pi-4"]}, "the nearest is"),
        ({"settings": ["thread=1"]}, "there is no setting 'thread'; the nearest is 'threads'"),
        ({"settings": ["threads"]}, "'threads' is not a setting such as 'threads=4'"),
        ({"settings": ["threads=2"]}, "there is no run with threads '2'"),
        ({"runs": ["x"]}, "there is no run 'x'"),
        ({"since": "yesterday"}, "'yesterday' is not a day such as 2026-01-31"),
        ({"since": "2026-12-01"}, "no run matches all of what was selected"),
    ):
        with pytest.raises(BadInput, match=re.escape(sentence)):
            chosen(**values)


def test_two_unlike_laptops_are_two_places(lab: Store) -> None:
    measure(lab, BERT, I7, ms=100.0, wrong=2)
    measure(lab, MINILM, I7)
    measure(lab, MINILM, ATOM, ms=40.0)
    text = screen(lab)
    assert "Laptop, Intel Core i7-1260P, 8 cores, numbers" in text
    slow = text[text.index("\nLaptop, Intel N100, 8 cores, numbers\n") :]
    (row,) = [line for line in slow.splitlines() if line.startswith("MiniLM-L6")]
    assert float(row.split()[9]) == pytest.approx(60, rel=0.05)
    assert "over MiniLM-L6 fp32, the largest fp32 model measured on this hardware" in slow
    assert "BERT-Large fp32 was not measured there" in slow
    fast, slow_row = (r for r in found(lab).rows if r.model == "minilm-l6")
    assert fast.speed_up == pytest.approx(10.0, rel=0.05)
    assert (slow_row.speed_up, fast.speed_up_questions) == (1.0, QUESTIONS)


def test_two_pis_are_units_of_one_type_and_each_counts_once(lab: Store) -> None:
    for _ in range(3):
        measure(lab, MINILM, PI_A, ms=10.0)
    measure(lab, MINILM, PI_B, ms=13.0)
    row = row_of(found(lab), "minilm-l6")
    assert (row.devices, row.machine) == (2, "Raspberry Pi 5 Model B, 4 cores")
    assert row.p50_devices_ms is not None
    fastest, slowest = row.p50_devices_ms
    assert row.p50_ms == pytest.approx((fastest + slowest) / 2)
    assert slowest / fastest == pytest.approx(1.3, rel=0.02)
    (named,) = re.findall(r"pi-b is (.*) % slower than pi-a on 40 questions", screen(lab))
    assert float(named) == pytest.approx(30, abs=2)


def test_a_slow_board_among_ten_is_named(lab: Store) -> None:
    for n in range(10):
        for bundle, ms in ((BERT, 100.0), (MINILM, 10.0)):
            measure(lab, bundle, device(f"pi-{n}"), ms * (1.3 if n == 7 else 1 + n / 1000))
    comparison = found(lab)
    text = render(comparison, "table", width=250)
    named = [line for line in text.splitlines() if "slower than" in line]
    assert len(named) == 2
    assert all(re.search("pi-7 is .* slower than the median of the 10 devices", line) for line in named)
    row = row_of(comparison, "minilm-l6")
    assert row.p50_ms == pytest.approx(14.9, rel=0.03)
    assert row.speed_up == pytest.approx(10.0, rel=0.03)
    table = render(comparison, "table", width=250, part="hardware")
    cells = line(table[table.index("Devices of this type") :], "pi-7", "%").split()
    assert [float(cell) for cell in cells[1::2]] == pytest.approx([29.5, 29.5], abs=2)
    assert all(abs(unit.deviation) < 3 for unit in comparison.units if unit.device_id != "pi-7")


def test_devices_that_are_alike_are_not_named(lab: Store) -> None:
    for name in ("pi-a", "pi-b", "pi-c"):
        measure(lab, MINILM, device(name))
    assert "than the median" not in screen(lab)


def test_by_device_gives_each_its_rows(lab: Store) -> None:
    measure(lab, BERT, PI_A, ms=100.0)
    measure(lab, MINILM, PI_A)
    measure(lab, MINILM, PI_B, ms=13.0)
    comparison = found(lab, by_device=True)
    rows = comparison.rows
    assert [(row.machine.split(":")[0], row.model, row.devices) for row in rows] == [
        ("pi-a", "bert-large", 1),
        ("pi-a", "minilm-l6", 1),
        ("pi-b", "minilm-l6", 1),
    ]
    assert rows[1].speed_up == pytest.approx(10.0, rel=0.05)
    places = [(b.row.machine.split(":")[0], b.row.model, b.stands_in) for b in comparison.baselines]
    assert places == [("pi-a", "bert-large", False), ("pi-b", "minilm-l6", True)]


def test_a_speed_up_is_over_the_devices_that_ran_both(lab: Store) -> None:
    measure(lab, BERT, PI_A, ms=100.0)
    for name, ms in (("pi-a", 10.0), ("pi-b", 20.0), ("pi-c", 20.0)):
        measure(lab, MINILM, device(name), ms)
    row = row_of(found(lab), "minilm-l6")
    assert row.speed_up == pytest.approx(10.0, rel=0.05)
    assert "pi-a only, which also ran the baseline; this row is of 3 devices" in screen(lab)


def test_without_a_device_that_ran_both_there_is_no_speed_up(lab: Store) -> None:
    measure(lab, BERT, PI_A, ms=100.0)
    measure(lab, MINILM, PI_B)
    text = screen(lab)
    assert row_of(found(lab), "minilm-l6").speed_up is None
    assert "BERT-Large fp32 was measured on pi-a, and this row on pi-b: a speed-up needs both" in text


def test_the_machine_type_is_what_the_device_describes() -> None:
    assert machine_of(PI_A) == machine_of(replace(PI_B, model="Raspberry Pi 5 Model B Rev 1.1", kernel="7"))
    assert machine_of(PI_A) != machine_of(replace(PI_A, cores=2))
    assert machine_of(replace(PI_A, hardware_class="kitchen")) == ("kitchen", "kitchen")
    assert machine_of(replace(I7, class_named=True)) == machine_of(
        replace(PI_A, hardware_class="laptop", class_named=True)
    )
    assert machine_of(replace(I7, hypervisor="kvm")) != machine_of(I7)
    assert machine_of(replace(I7, hypervisor="unknown")) == machine_of(I7), "as a version-1 agent sends it"
    assert machine_of(I7) == (
        "laptop-intel-core-i7-1260p-8-cores",
        "Laptop, Intel Core i7-1260P, 8 cores",
    )
    assert machine_of(replace(I7, hardware_class="virtual-machine")) != machine_of(I7)
    unknown = replace(I7, cpu_model="unknown", model="unknown")
    assert machine_of(unknown).label == "Laptop, x86_64, 8 cores"


def test_unlike_boards_that_a_user_gave_one_class_are_named(lab: Store) -> None:
    named: dict[str, Any] = {"hardware_class": "lab", "class_named": True}
    measure(lab, MINILM, device("rock", model="Radxa ROCK 5B", cpu_model="Cortex-A76", **named))
    measure(lab, MINILM, device("odroid", model="ODROID-C4 Rev 1.0", cpu_model="Cortex-A55", **named))
    text = screen(lab)
    assert "the runs are of different boards: ODROID-C4, Radxa ROCK 5B" in text
    assert "the runs are of different processors: Cortex-A55, Cortex-A76" in text
    (provenance,) = found(lab).provenance
    assert provenance.device_model == "ODROID-C4 Rev 1.0, Radxa ROCK 5B"
    assert provenance.cpu_model == "Cortex-A55, Cortex-A76"


@pytest.mark.parametrize(
    ("model", "cpu_model", "label"),
    [
        (
            "Radxa ROCK 5B",
            "4 Cortex-A55 + 4 Cortex-A76",
            "Radxa ROCK 5B, 4 Cortex-A55 + 4 Cortex-A76, 8 cores",
        ),
        ("Hardkernel ODROID-C4 Rev 1.0", "Cortex-A55", "Hardkernel ODROID-C4, Cortex-A55, 8 cores"),
        ("Khadas VIM3L", "Cortex-A55", "Khadas VIM3L, Cortex-A55, 8 cores"),
        ("VisionFive 2", "unknown", "VisionFive 2, x86_64, 8 cores"),
        ("unknown", "Cortex-A55", "Unknown hardware, Cortex-A55, 8 cores"),
    ],
)
def test_unlike_boards_of_no_known_class_are_types_of_their_own(
    model: str, cpu_model: str, label: str
) -> None:
    board = replace(I7, hardware_class="unknown", model=model, cpu_model=cpu_model)
    assert machine_of(board).label == label


def test_another_decoding_is_not_compared_in_accuracy(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM)
    measure(lab, manifest("distilbert"), ms=20.0, wrong=0, decoding="squad")
    measure(lab, manifest("distilbert", "int8"), ms=15.0)
    comparison = found(lab)
    assert {d.row.model for d in comparison.differences} == {"minilm-l6", "distilbert"}
    assert {d.row.precision for d in comparison.differences if d.row.model == "distilbert"} == {"int8"}
    assert (comparison.gates, comparison.divergences) == ((), ())
    assert "high accuracy" in row_of(comparison, "bert-large").best_for
    text = screen(lab)
    assert "not compared with bert-large fp32, which ran with decoding pipeline: this row ran" in text
    assert "not compared with distilbert fp32, which ran with decoding squad: this row ran" in text
    assert "no label, since most rows of this section ran with another decoding" in text
    assert "measured with decoding squad; the baseline with decoding pipeline" in text


def test_a_speed_up_with_other_threads_names_them(lab: Store) -> None:
    measure(lab, BERT, ms=100.0)
    measure(lab, MINILM, threads=1)
    measure(lab, manifest("distilbert"), replace(PI_A, versions={"python": "3.14.0"}), ms=20.0)
    text = screen(lab)
    assert "measured with 1 thread; the baseline with 4 threads" in text
    assert "measured with python 3.14.0; the baseline with python 3.13.5" in text


def test_forty_questions_take_no_label_beside_all_of_them(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, asked=range(20, 39), wrong=0)
    measure(lab, manifest("bert-large", "int8"), ms=60.0, wrong=3)
    measure(lab, MINILM)
    comparison = found(lab, require="f1>=60")
    text = render(comparison, "table", width=250)
    assert "high accuracy" in row_of(replace(comparison, rows=comparison.rows[1:]), "bert-large").best_for
    few = row_of(replace(comparison, rows=comparison.rows[:1]), "bert-large")
    assert (few.small, few.f1, few.pareto, few.best_for) == (True, 100.0, False, ())
    assert "no label, front, gate or --require: 19 of the 40 questions that another row answered" in text
    assert comparison.gates == ()
    assert comparison.requirement is not None
    assert [name.precision for name in comparison.requirement.choices[0].met_by] == ["int8", "fp32"]
    assert "bert-large" not in {
        name.model for name in comparison.requirement.choices[0].met_by if name.precision == "fp32"
    }
    assert "Speed-ups are over 19 questions." in text


def test_half_of_the_questions_are_enough(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, asked=range(20), wrong=0)
    measure(lab, MINILM)
    assert "high accuracy" in row_of(found(lab), "bert-large").best_for


def test_before_and_after_are_of_the_questions_of_both(lab: Store) -> None:
    before = measure(lab, MINILM, asked=range(20))
    after = measure(lab, MINILM, ms=10.0, threads=1)
    score_answers(lab)
    changes = {change.metric: change for change in compare_runs(lab, before, after, ()).changes}
    assert (changes["em"].before, changes["em"].after, changes["em"].change) == (80.0, 80.0, 0.0)
    assert (changes["f1"].before, changes["f1"].after, changes["f1"].questions) == (80.0, 80.0, 20)
    assert (changes["p50"].questions, changes["memory"].questions) == (20, None)


def test_runs_of_two_scenarios_are_not_compared(lab: Store) -> None:
    before = measure(lab, MINILM)
    after = measure(lab, MINILM, scenario="sustained")
    with pytest.raises(BadInput, match=r"is of the scenario single-stream and run .* of sustained"):
        compare_runs(lab, before, after, ())


def test_a_report_of_some_runs_keeps_what_the_report_of_all_has_computed(lab: Store) -> None:
    for on in (PI_A, PI_B):
        measure(lab, BERT, on, ms=100.0)
        measure(lab, MINILM, on)
    found(lab)
    kept = list(lab.tuples("SELECT digest FROM findings ORDER BY 1"))
    assert kept
    found(lab, selection=Selection(devices=("pi-a",)))
    found(lab, by_device=True)
    assert list(lab.tuples("SELECT digest FROM findings ORDER BY 1")) == kept
