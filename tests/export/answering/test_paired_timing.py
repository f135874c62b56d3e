"""Tests that networks take turns, and how their times are compared."""

from pathlib import Path

import numpy as np
import pytest

from contract.questions import decode_questions
from export.answering.inference import Cutter, Logits, Network, Window
from export.answering.paired_timing import Lap, Runner, mean_interval, speed_up, turns

ROOT = Path(__file__).parent.parent.parent.parent


def test_each_answers_every_question_and_the_order_rotates(tiny_bundle: Path) -> None:
    asked = decode_questions((ROOT / "demo" / "sample-questions.json").read_bytes()).questions[:6]
    cutter = Cutter((tiny_bundle / "tokenizer.json").read_text(), ("input_ids",))
    taken: list[str] = []

    def network(name: str) -> Network:
        def run(window: Window) -> Logits:
            taken.append(name)
            zeros = np.zeros(window.in_context.size, np.float32)
            return zeros, zeros

        return run

    windows = [len(cutter.windows(question)) for question in asked]
    laps = [Lap([], []) for _ in "abc"]
    assert list(turns([Runner(network(name), cutter) for name in "abc"], asked, laps)) == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert [len(lap.readings) for lap in laps] == [len(lap.seconds) for lap in laps] == [6] * 3
    assert [len(reading.logits) for reading in laps[0].readings] == windows
    raced = "".join(taken[3 * sum(windows[:5]) :])
    assert (
        raced[: 9 * windows[0]]
        == "".join(
            name * windows[turn] for turn, order in enumerate(("abc", "bca", "cab")) for name in order
        )[: 9 * windows[0]]
    )


def lap(seconds: list[float]) -> Lap:
    return Lap([], seconds)


def test_a_speed_up_is_paired_and_its_interval_holds_it() -> None:
    random = np.random.default_rng(1)
    lengths = random.uniform(1, 10, 400)
    slow = lap(list(lengths))
    fast = lap(list(lengths / 2 * random.normal(1, 0.05, 400)))
    found = speed_up(slow, fast)
    assert found.low < found.paired < found.high and found.low < 2 < found.high
    assert found.high - found.low < 0.05
    assert found == speed_up(slow, fast)


def test_an_interval_of_a_mean_narrows_with_more_values() -> None:
    few, many = (np.random.default_rng(2).normal(5, 1, size) for size in (20, 2000))
    widths = [high - low for low, high in (mean_interval(list(few)), mean_interval(list(many)))]
    assert widths[1] < widths[0] / 5
    low, high = mean_interval([3.0] * 10)
    assert (low, high) == pytest.approx((3, 3))
