"""Tests that a build verifies its own bundles, and refuses wrong ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.questions import Gold, Question
from export.answering import verification
from export.answering.inference import Window, answer
from export.answering.verification import Comparison, Reading, check_exact, check_quantised, compare, f1
from export.building.build import BuildRequest, build
from export.errors import VerificationFailed
from export.quantisation.targets import this_machine
from export.recipes import recipe as recipes
from tests.export.tiny_models import TINY


def window(tokens: int, question_tokens: int) -> Window:
    in_context = np.arange(tokens) >= question_tokens
    return Window({}, in_context, [(2 * i, 2 * i + 1) for i in range(tokens)])


def peaks(tokens: int, *places: tuple[int, float]) -> NDArray[np.float32]:
    logits = np.zeros(tokens, np.float32)
    for place, height in places:
        logits[place] = height
    return logits


CONTEXT = "a b c d e f g h i j k l m n o p q r s t u v w x y z"


def test_the_best_span_starts_before_it_ends_in_the_context_and_is_short() -> None:
    cut = window(26, 3)
    ends_first = (peaks(26, (10, 9), (5, 8)), peaks(26, (8, 9)))
    assert answer(CONTEXT, [cut], [ends_first]) == CONTEXT[10:17]
    in_question = (peaks(26, (1, 9), (4, 5)), peaks(26, (2, 9), (4, 5)))
    assert answer(CONTEXT, [cut], [in_question]) == "e"
    too_long = (peaks(26, (4, 9)), peaks(26, (19, 9), (6, 5)))
    assert answer(CONTEXT, [cut], [too_long]) == CONTEXT[8:13]
    just_fits = (peaks(26, (4, 9)), peaks(26, (18, 9), (6, 5)))
    assert answer(CONTEXT, [cut], [just_fits]) == CONTEXT[8:37]


def test_the_surer_window_answers() -> None:
    cut = window(26, 3)
    sure, unsure = ((peaks(26, (at, height)), peaks(26, (at, height))) for at, height in ((7, 9.0), (9, 5.0)))
    assert answer(CONTEXT, [cut, cut], [unsure, sure]) == answer(CONTEXT, [cut, cut], [sure, unsure]) == "h"


def question(*golds: str) -> Question:
    return Question("1", "?", "", tuple(Gold(gold, 0) for gold in golds), "")


def test_f1_is_that_of_squad() -> None:
    assert f1("The Eiffel Tower!", question("eiffel tower")) == 1
    assert f1("tower", question("the eiffel tower", "something else")) == pytest.approx(2 / 3)
    assert f1("bridge", question("tower")) == 0
    assert f1("the “a” team", question("team")) == 0.5


def test_a_comparison_counts_to_the_letter_and_finds_the_largest_difference() -> None:
    logits = (np.array([1, 2], np.float32), np.array([3, 4], np.float32))
    moved = (np.array([1, 2], np.float32), np.array([3, 4.5], np.float32))
    found = compare(
        (question("a"), question("b")),
        [Reading("a", [logits]), Reading("b", [logits])],
        [Reading("a", [logits]), Reading("B ", [moved])],
    )
    assert found == Comparison(2, 1, 0.5, 0.0) and found.agreement == 0.5


def test_what_counts_as_failed() -> None:
    check_exact(Comparison(10, 10, 1e-4, 0.0), "tiny", True)
    check_exact(Comparison(10, 9, 1e-4, 0.0), "tiny", False)
    for comparison, trained in ((Comparison(10, 9, 1e-4, 0.0), True), (Comparison(10, 10, 0.1, 0.0), False)):
        with pytest.raises(VerificationFailed, match=r"graph of tiny gives the same .* of 10 questions"):
            check_exact(comparison, "tiny", trained)
    check_quantised(Comparison(10, 8, 5.0, 1.0), "tiny")
    with pytest.raises(VerificationFailed, match=r"tiny-int8 gives the same .* to only 7 of 10 questions"):
        check_quantised(Comparison(10, 7, 0.0, 0.0), "tiny-int8")
    with pytest.raises(VerificationFailed, match=r"to only 0 of 1 question$"):
        check_quantised(Comparison(1, 0, 0.0, 0.0), "tiny-int8")


def test_a_build_records_what_it_verified(reader_bundle: Path, reader_bundle_int8: Path) -> None:
    fp32, int8 = (
        json.loads((bundle / "manifest.json").read_bytes())["verification"]
        for bundle in (reader_bundle, reader_bundle_int8)
    )
    assert (fp32["against"], int8["against"]) == ("PyTorch", "fp32")
    assert fp32["same_answers"] == fp32["questions"] >= 60 and fp32["largest_logit_difference"] < 1e-3
    assert 0.9 * int8["questions"] < int8["same_answers"] and abs(int8["f1_loss_points"]) < 3


@pytest.mark.proof
def test_a_build_that_fails_verification_leaves_no_bundle(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LEAST_AGREEMENT", 1.01)
    request = BuildRequest(model=TINY, weights=str(checkpoint), precisions=("int8",), verify=5)
    with pytest.raises(
        VerificationFailed, match=r"tiny-int8 gives the same .*, so no tiny-int8 was written$"
    ):
        build(request, tmp_path, lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_is_not_its_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(VerificationFailed, match=r"graph of tiny .*, so no bundle was written$"):
        build(BuildRequest(model=TINY, weights="random"), tmp_path, lambda line: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("machine", "flags", "target"),
    [
        ("aarch64", "fp asimd asimddp", "arm64"),
        ("x86_64", "avx2 avx512_vnni", "avx512_vnni"),
        ("x86_64", "avx2 avx_vnni", "avx512_vnni"),
        ("x86_64", "sse4_2 avx2", "avx2"),
        ("x86_64", "sse4_2", "portable"),
        ("riscv64", "", "portable"),
    ],
)
def test_a_machine_has_its_target(tmp_path: Path, machine: str, flags: str, target: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
    assert this_machine(tmp_path / "cpuinfo", machine) == target


def test_only_int8_depends_on_the_target() -> None:
    assert recipes.recipe("fp32", "avx2") == recipes.recipe("fp32", "arm64")
    assert recipes.recipe("int4", "avx2") == recipes.recipe("int4", "arm64")
    assert recipes.recipe("int8", "avx2") != recipes.recipe("int8", "arm64")
