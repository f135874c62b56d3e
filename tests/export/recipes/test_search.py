"""Tests the search of an int8 recipe: what it keeps, what it drops, and that a build uses the result."""

import json
import shutil
from pathlib import Path

import pytest

from contract.bundle import decode_manifest
from contract.questions import QuestionFile, decode_questions
from export.answering import verification
from export.answering.inference import Cutter
from export.answering.paired_timing import SpeedUp
from export.building.build import BuildRequest, build
from export.errors import BadInput
from export.quantisation.targets import Target
from export.recipes import recipe as recipes
from export.recipes import search
from export.recipes.candidates import CANDIDATES, Candidate
from export.recipes.recipe import Ingredients, Recipe
from export.recipes.search import Limits, Measured, NothingFits
from tests.export.tiny_models import TINY

ROOT = Path(__file__).parent.parent.parent.parent
SAMPLE = ROOT / "demo" / "sample-questions.json"
DYNAMIC = Recipe(method="dynamic", linear_weights="s8 per channel", activations="u8 per tensor")


def silent(line: str) -> None:
    pass


def sample(count: int) -> QuestionFile:
    return verification.chosen(decode_questions(SAMPLE.read_bytes()), count)


def measured(
    name: str, speed: float, loss: float | None, agreement: float = 0.95, error: float = 0.1
) -> Measured:
    speed_up = SpeedUp(speed, speed, speed - 0.02, speed + 0.02)
    return Measured(Candidate(name, DYNAMIC), 100, agreement, loss, error, speed_up, 1)


def decide(
    monkeypatch: pytest.MonkeyPatch, rounds: list[list[Measured]], limits: Limits | None = None
) -> search.Found:
    """Run a search whose rounds return the given measurements."""
    given = iter(rounds)
    monkeypatch.setattr(search, "_round", lambda *_: (next(given), []))
    nothing = Ingredients(Path(), (), None)  # type: ignore[arg-type]  # never looked at
    return search.search(nothing, None, sample(40), limits or Limits(), "avx512_vnni", silent)  # type: ignore[arg-type]  # likewise


def outcomes(found: search.Found) -> dict[str, str]:
    return {each.name: each.outcome for each in found.tried}


def test_the_fastest_inside_the_limits_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    screened = [measured("fast", 2.5, 0.2), measured("good", 2.0, 0.2), measured("slow", 1.1, 0.0)]
    final = [measured("fast", 2.5, 0.7), measured("good", 2.0, 0.4), measured("slow", 1.1, 0.0)]
    found = decide(monkeypatch, [screened, final])
    assert outcomes(found) == {"good": "kept", "fast": "loses too much", "slow": "slower"}
    assert found.recipe.target == "avx512_vnni" and found.tried[0].name == "good"


def test_of_equally_fast_ones_the_one_with_more_answers_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [measured("first", 2.01, 0.1, 0.93), measured("second", 2.0, 0.1, 0.97)]
    assert outcomes(decide(monkeypatch, [both, both])) == {
        "second": "kept",
        "first": "as fast, fewer answers kept",
    }


def test_the_first_round_forgives_what_chance_explains_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlucky = measured("unlucky", 2.0, 1.4, error=0.5)
    hopeless = measured("hopeless", 2.2, 1.6, error=0.5)
    found = decide(monkeypatch, [[hopeless, unlucky], [measured("unlucky", 2.0, 0.3)]])
    assert outcomes(found) == {"unlucky": "kept", "hopeless": "loses too much"}


def test_only_the_fastest_come_into_the_second_round(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [measured(str(place), 3 - place / 10, 0.0) for place in range(search.FINALISTS + 2)]
    found = decide(monkeypatch, [many, many[: search.FINALISTS]])
    assert list(outcomes(found).values()).count("slower than the finalists") == 2


def test_without_gold_answers_agreement_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    few, most = measured("few", 2.5, None, 0.89), measured("most", 2.0, None, 0.91)
    assert outcomes(decide(monkeypatch, [[few, most]] * 2))["most"] == "kept"
    strict = Limits(min_agreement=0.99)
    with pytest.raises(
        NothingFits, match=r"the closest, 'most', keeps 91.0 % of the answers; allow"
    ) as caught:
        decide(monkeypatch, [[few, most], []], strict)
    assert [each.outcome for each in caught.value.tried] == ["loses too much"] * 2


@pytest.mark.parametrize("target", ["avx2", "portable"])
def test_a_target_without_wide_sums_gets_no_weights_of_eight_bits(target: Target) -> None:
    fitting = [candidate for candidate in CANDIDATES if recipes.fits(candidate.recipe, target)]
    assert {each.recipe.linear_weights for each in fitting if each.recipe.method != "weight-only"} == {
        "s7 per channel",
        "s7 per tensor",
    }
    assert all(recipes.fits(candidate.recipe, "avx512_vnni") for candidate in CANDIDATES)


def test_names_and_recipes_of_candidates_are_unique() -> None:
    assert (
        len({each.name for each in CANDIDATES})
        == len({each.recipe for each in CANDIDATES})
        == len(CANDIDATES)
    )


def ingredients(bundle: Path, traced: Path, shop: Path) -> tuple[Ingredients, Cutter]:
    """The ingredients of a build for a bundle's model, calibrated on three questions."""
    from export.quantisation import calibration
    from export.questions import question_file

    manifest = decode_manifest((bundle / "manifest.json").read_bytes())
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    cutter = Cutter((bundle / "tokenizer.json").read_text(), inputs)
    shutil.copyfile(traced, shop / "traced.onnx")
    seen = calibration.activations(
        shop / "traced.onnx", cutter, question_file.questions(None).questions[:3], shop / "scratch.onnx"
    )
    return Ingredients(shop / "traced.onnx", inputs, manifest.architecture, seen), cutter


def test_every_candidate_can_be_built_and_run_and_a_broken_one_is_only_listed(
    tiny_bundle: Path, tiny_traced: Path, tmp_path: Path
) -> None:
    given, cutter = ingredients(tiny_bundle, tiny_traced, tmp_path)
    broken = Candidate("broken", Recipe(method="dynamic", linear_weights="u9"))  # type: ignore[arg-type]  # on purpose
    found = search.search(
        given,
        cutter,
        sample(3),
        Limits(max_f1_loss=100, min_agreement=0),
        "avx512_vnni",
        silent,
        [*CANDIDATES, broken],
    )
    failed = {each.name: each.outcome for each in found.tried if each.outcome.startswith("failed")}
    assert failed.keys() == {"broken"} and "u9" in failed["broken"]
    assert len(found.tried) == len(CANDIDATES) + 1 and found.tried[0].outcome == "kept"
    assert all(each.speed_up for each in found.tried if each.name != "broken")
    assert [path.name for path in tmp_path.iterdir()] == ["traced.onnx"]


@pytest.mark.proof
def test_recipes_keep_the_reader_s_logits(reader_bundle: Path, reader_traced: Path, tmp_path: Path) -> None:
    """Each way of quantising stays close to fp32 on a trained network, and a fused graph equals fp32."""
    from export.answering.inference import onnx_network

    given, cutter = ingredients(reader_bundle, reader_traced, tmp_path)
    window = cutter.windows(sample(1).questions[0])[0]
    exact = onnx_network(given.traced)(window)[0]
    wanted = {
        "fused": (Recipe(method="plain", fused=True), 1e-3),
        "as built": (recipes.recipe("fp32", "portable"), 1e-3),
        "u8": (DYNAMIC, 3.0),
        "static": (
            Recipe(
                method="static",
                linear_weights="s8 per channel",
                activations="s8 per tensor",
                clipping="never",
                smoothing=0.8,
            ),
            3.0,
        ),
        "last layer": (
            Recipe(
                method="dynamic", linear_weights="u8 per channel", smoothing=0.8, fp32_layers="last layer"
            ),
            3.0,
        ),
        "blocks": (Recipe(method="weight-only", linear_weights="u8 per block of 64"), 1.0),
    }
    for name, (recipe, limit) in wanted.items():
        path = tmp_path / "candidate.onnx"
        recipes.write(recipe, given, path)
        difference = float(abs(onnx_network(path)(window)[0] - exact).max())
        assert (difference < limit) and (difference > 0), f"{name}: {difference}"


def test_a_build_uses_what_the_search_found_and_records_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(each for each in CANDIDATES if each.name in {"s8, strength 0.8", "u8 in blocks of 128"})
    monkeypatch.setattr(search, "CANDIDATES", few)
    squad = json.loads(SAMPLE.read_bytes())
    del squad["data"][1:], squad["data"][0]["paragraphs"][2:]
    (tmp_path / "few.json").write_text(json.dumps(squad))
    request = BuildRequest(
        model=TINY,
        weights=str(checkpoint),
        precisions=("int8",),
        calibration=tmp_path / "few.json",
        search=SAMPLE,
        search_limit=12,
        limits=Limits(max_f1_loss=100),
        verify=0,
    )
    shown: list[search.Tried] = []
    (folder,) = build(request, tmp_path / "bundles", silent, shown.extend)
    manifest = decode_manifest((folder / "manifest.json").read_bytes())
    recorded = manifest.recipe["search"]
    assert recorded["questions"] == 12 and recorded["limits"] == {"max_f1_loss": 100.0, "min_agreement": None}
    assert [each["name"] for each in recorded["tried"]] == [each.name for each in shown]
    kept = next(each for each in few if each.name == shown[0].name)
    assert manifest.recipe["linear_weights"] == kept.recipe.linear_weights
    progress: list[str] = []
    build(request, tmp_path / "bundles", progress.append)
    assert progress == ["tiny-int8: already built from the same weights with the same tools; reused"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weights": "random"}, "--search needs trained weights"),
        ({"precisions": ("fp32",)}, "--search is for int8"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    change: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    fields: dict[str, object] = {
        "model": TINY,
        "weights": "random",
        "precisions": ("int8",),
        "search": SAMPLE,
    }
    with pytest.raises(BadInput, match=sentence):
        build(BuildRequest(**(fields | change)), tmp_path, silent)  # type: ignore[arg-type]  # as above
