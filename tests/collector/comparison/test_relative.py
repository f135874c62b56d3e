"""What a row gains and keeps relative to its teacher, to the baseline, or to fp32 of its model."""

from pathlib import Path

import pytest

from bench.results import fleet
from bench.results.fleet_models import FAMILY, RANDOM
from collector.comparison.compare import compare_file
from collector.findings.comparison import Comparison, name_of
from collector.findings.relative import Relative

OTHER_MS = 0.7
"""Time to tokenise and to decode in a fleet, the same for all models."""


def found_in(comparison: Comparison) -> dict[tuple[str, str], Relative]:
    return {(one.row.model, one.row.precision): one for one in comparison.relatives}


@pytest.mark.parametrize("teacher_first", [True, False])
def test_students_are_compared_with_the_teacher_that_their_manifest_names(
    tmp_path: Path, teacher_first: bool
) -> None:
    models = tuple(FAMILY) if teacher_first else tuple(FAMILY)[::-1]
    database = tmp_path / "results.db"
    fleet.build(database, fleet.Fleet(1, 60, models=models, known=FAMILY, random=RANDOM, rounds=3))
    comparison = compare_file(database)
    found, rows = found_in(comparison), {name_of(row): row for row in comparison.rows}
    assert {key: (one.kind, one.to.model, one.to.precision) for key, one in found.items()} == {
        ("minilm-l6", "int8"): ("fp32", "minilm-l6", "fp32"),
        **{
            (student, precision): ("teacher", "minilm-l6", "fp32")
            for student in ("minilm-l6-l3", "minilm-l6-l2")
            for precision in ("fp32", "int8")
        },
    }, "random weights have no accuracy, and the teacher is compared with nothing"
    for (model, precision), one in found.items():
        halved = 0.5 if precision == "int8" else 1.0
        expected = (FAMILY["minilm-l6"].ms + OTHER_MS) / (FAMILY[model].ms * halved + OTHER_MS)
        assert one.speed_up == pytest.approx(expected, rel=0.05)
        assert one.speed_up is not None and one.speed_up_interval is not None
        assert one.speed_up_interval[0] < one.speed_up < one.speed_up_interval[1]
        assert (one.speed_up_of, 55 <= one.speed_up_questions <= 60) == ("this device", True)
        row, to = rows[one.row], rows[one.to]
        assert row.f1 is not None and to.f1 is not None
        assert one.f1_kept == pytest.approx(100 * row.f1 / to.f1)
        assert one.f1_kept is not None and one.f1_kept_interval is not None
        assert one.f1_kept_interval[0] <= one.f1_kept <= one.f1_kept_interval[1]
        assert one.f1_questions == 60
    gates = {(gate.row.model, gate.row.precision): gate for gate in comparison.gates}
    gate = gates["minilm-l6", "int8"]
    assert (found["minilm-l6", "int8"].f1_kept, found["minilm-l6", "int8"].f1_kept_interval) == (
        gate.percent_of_fp32,
        gate.interval,
    )


def test_a_model_without_a_teacher_is_compared_with_the_baseline(tmp_path: Path) -> None:
    database = tmp_path / "results.db"
    fleet.build(database, fleet.Fleet(1, 60, models=("bert-large", "minilm-l6")))
    comparison = compare_file(database)
    found, rows = found_in(comparison), {name_of(row): row for row in comparison.rows}
    assert {key: (one.kind, one.to.model) for key, one in found.items()} == {
        ("bert-large", "int8"): ("fp32", "bert-large"),
        ("minilm-l6", "fp32"): ("baseline", "bert-large"),
        ("minilm-l6", "int8"): ("baseline", "bert-large"),
    }
    differences = {(d.row, d.against): d.f1.significant for d in comparison.differences}
    for one in found.values():
        assert one.f1_significant == differences[one.row, one.to]
        if one.kind == "baseline":
            assert one.speed_up == rows[one.row].speed_up
            assert one.speed_up_interval == rows[one.row].intervals["speed_up"]
