"""When a run that is to bound a percentile may end: repeated questions do not bring it closer."""

import pytest
from msgspec.structs import replace

from agent.stopping.stop_rule import PATIENCE, hopeless, may_end, verdict
from agent.stopping.tally import Tally
from contract.records import Answer, Mark, Settings

SETTINGS = Settings(
    scenario="single-stream",
    decoding="pipeline",
    max_tokens=384,
    stride_tokens=128,
    max_answer_tokens=15,
    threads=1,
    warmup_questions=0,
    seed=0,
    percentile=90,
)


def answer(question: int, ns: int = 100, marks: tuple[Mark, ...] = ()) -> Answer:
    return Answer(
        seq=0,
        at_ns=0,
        question_id=f"q{question}",
        text="t",
        start_char=0,
        end_char=1,
        confidence=1.0,
        tokenize_ns=0,
        infer_ns=ns,
        decode_ns=0,
        windows=1,
        tokens=1,
        marks=marks,
    )


def tally_of(*passes: list[Answer]) -> Tally:
    tally = Tally("single-stream", 0)
    for answers in passes:
        tally.add(answers, 1, {})
    return tally


def test_a_question_counts_once_with_its_newest_undisturbed_time() -> None:
    first = [answer(number, number) for number in range(64)]
    again = [answer(number, 1000 + number, ("throttled",) if number else ()) for number in range(64)]
    (p90, p99) = tally_of(first, again).outcome().bounds
    assert (p90.queries, p90.value_ns) == (64, 1000), "the highest of 64, which is question 0 asked again"
    assert (p99.queries, p99.value_ns) == (64, None)


def test_asking_few_questions_again_decides_no_percentile() -> None:
    forty = [answer(number) for number in range(40)]
    tally = tally_of(forty, forty, forty)
    assert len(tally.times_ns) == 120 and tally.outcome().bounds[0].value_ns is None
    assert may_end(SETTINGS, selected=40, asked=40, seconds=1, tally=tally_of(forty))
    status, reason = verdict(SETTINGS, 40, 120, tally)
    assert status == "inconclusive"
    assert reason == (
        "p90 needs undisturbed times of 64 different questions for 99% confidence, and the run has 40"
    )


def test_disturbed_questions_are_asked_again() -> None:
    disturbed = [answer(number, marks=("throttled",) if number < 3 else ()) for number in range(66)]
    tally = tally_of(disturbed)
    assert not may_end(SETTINGS, selected=66, asked=66, seconds=1, tally=tally)
    tally.add([answer(0)], 1, {})
    assert may_end(SETTINGS, selected=66, asked=67, seconds=1, tally=tally)
    assert verdict(SETTINGS, 66, 67, tally) == ("complete", "")


def test_a_machine_that_is_always_disturbed_ends_it() -> None:
    tally = tally_of(*[[answer(number, marks=("throttled",)) for number in range(64)]] * PATIENCE)
    assert may_end(SETTINGS, selected=64, asked=64 * PATIENCE, seconds=1, tally=tally)


@pytest.mark.parametrize(
    ("percentile", "questions", "announced"),
    [
        (None, 1, None),
        (90, 64, None),
        (99, 662, None),
        (90, 63, "--until p90 needs at least 64 different questions, and this run has 63"),
        (99, 334, "--until p99 needs at least 662 different questions, and this run has 334"),
    ],
)
def test_questions_that_can_never_decide_are_announced(
    percentile: int | None, questions: int, announced: str | None
) -> None:
    settings = replace(SETTINGS, percentile=percentile)
    found = hopeless(settings, questions)
    assert found is None if announced is None else found is not None and found.startswith(announced)


def test_the_announcement_keeps_to_what_else_was_asked_for() -> None:
    once = "so each is asked once"
    assert once in (hopeless(SETTINGS, 40) or "")
    assert once not in (hopeless(replace(SETTINGS, min_queries=100), 40) or once)
