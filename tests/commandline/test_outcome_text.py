"""What a run found, in the words that the agent and the collector share."""

import time

import pytest
from msgspec.structs import replace

from commandline.outcome_text import loadgen_p90_ns, outcome_lines
from contract.records import Outcome, PercentileBound, RateTrial, Settings

SETTINGS = Settings(
    scenario="server",
    decoding="pipeline",
    max_tokens=384,
    stride_tokens=128,
    max_answer_tokens=15,
    threads=1,
    warmup_questions=0,
    seed=0,
    batch_size=8,
    latency_bound_ns=100_000_000,
)
TRIAL = RateTrial(qps=8.0, queries=10, p50_ns=5, p99_ns=9, held=False)
UNDECIDED = replace(TRIAL, qps=6.0, undecided="it takes 9")
HELD = replace(TRIAL, qps=4.0, held=True)
P90 = PercentileBound(percent=90, queries=700, needed=64, value_ns=42_000_000)
P99 = PercentileBound(percent=99, queries=700, needed=662, value_ns=1_234_500_000)
UNMET = {
    "Result is": "INVALID",
    "  Min duration satisfied": "NO",
    "Min queries satisfied": "Yes",
    "Early stopping satisfied": "NO",
    "no_condition": "NO",
}


@pytest.mark.parametrize(
    ("outcome", "lines"),
    [
        (None, []),
        (Outcome(), []),
        (Outcome(bounds=(P90, replace(P99, value_ns=None))), ["p90 at most 42.0 ms, with 99 % confidence"]),
        (
            Outcome(bounds=(P90, P99)),
            ["p90 at most 42.0 ms and p99 at most 1,234.5 ms, with 99 % confidence"],
        ),
        (
            Outcome(questions_per_second=81.25, left_out=1200),
            [
                "81.2 questions per second in batches of 8",
                "this covers only the questions after the interruption, not the 1,200 before it",
            ],
        ),
        (
            Outcome(rates=(TRIAL,), valid_qps=4.0),
            ["p99 within 100 ms up to 4.00 questions per second"],
        ),
        (Outcome(rates=(TRIAL,)), ["no rate that was tried is known to keep p99 within 100 ms"]),
        (
            Outcome(rates=(TRIAL, replace(TRIAL, undecided="a\x1b[2J"), UNDECIDED, HELD), valid_qps=4.0),
            [
                "p99 within 100 ms up to 4.00 questions per second",
                "whether p99 is within 100 ms at 6.00 questions per second is not decided: it takes 9",
            ],
        ),
        (Outcome(throttled_after_ns=180_000_000_000), ["throttled 3.0 minutes after the start"]),
        (
            Outcome(loadgen={"90.00 percentile latency (ns)": "75000000", "Result is": "VALID"}),
            ["LoadGen's p90 is 75.0 ms", "LoadGen calls the result valid"],
        ),
        (
            Outcome(loadgen=UNMET),
            ["LoadGen calls the result invalid; not satisfied: Min duration, Early stopping"],
        ),
    ],
)
def test_an_outcome_is_a_sentence_for_each_thing_found(outcome: Outcome | None, lines: list[str]) -> None:
    assert list(outcome_lines(SETTINGS, outcome)) == lines


@pytest.mark.parametrize("text", ["", "-5", "1e9", "9" * 20, "7 ms"])
def test_a_time_of_loadgen_that_is_none_is_left_out(text: str) -> None:
    outcome = Outcome(loadgen={"90.00 percentile latency (ns)": text})
    assert loadgen_p90_ns(outcome) is None
    assert list(outcome_lines(SETTINGS, outcome)) == []


def test_long_names_of_a_device_cost_no_time_and_few_are_shown() -> None:
    """Spaces, at which a pattern once looked again and again: minutes for a message."""
    begun = time.process_time()
    (line,) = outcome_lines(SETTINGS, Outcome(loadgen={"Result is": "INVALID", " " * 200_000: "NO"}))
    assert line == "LoadGen calls the result invalid"
    assert time.process_time() - begun < 1.0
    many = {f"{number} satisfied": "NO" for number in range(1000)}
    (line,) = outcome_lines(SETTINGS, Outcome(loadgen={"Result is": "INVALID", **many}))
    assert line.endswith("not satisfied: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more")


def test_what_a_device_names_does_not_reach_the_terminal_as_it_is() -> None:
    (line,) = outcome_lines(
        SETTINGS, Outcome(loadgen={"Result is": "INVALID", "\x1b[2J" + "x" * 500 + " satisfied": "NO"})
    )
    assert line.isprintable() and len(line) < 150
