"""The means of each question: the same whether answers are summed up at once or in pieces."""

from collections import defaultdict
from statistics import mean, median

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.summaries import question_ranges
from collector.summaries.columns import ERROR, MARKED, TIMED
from collector.summaries.question_means import Judged, QuestionMeans, question_means
from collector.summaries.question_ranges import HASHES, QuestionRange, ranges

HASH = st.sampled_from([0, 1, 2**20, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1])
ANSWER = st.tuples(
    HASH,
    st.integers(0, 10**13),
    st.sampled_from([TIMED, TIMED, TIMED, MARKED, ERROR]),
    st.sampled_from([0.0, 1.0]),
    st.one_of(st.floats(0, 1, width=32), st.just(float("nan"))),
    st.floats(-1, 1),
)
RUNS = st.lists(st.tuples(st.integers(0, 2), st.lists(ANSWER, max_size=12)), min_size=1, max_size=6)


def _judged(answers: list[tuple[float, ...]]) -> Judged:
    ordered = sorted(answers, key=lambda each: each[0])
    kinds = (np.uint64, np.int64, np.uint8, np.float32, np.float64, np.float64)
    return Judged(*(np.array([row[place] for row in ordered], kind) for place, kind in enumerate(kinds)))


def _devices(runs: list[tuple[int, list[tuple[float, ...]]]]) -> list[list[int]]:
    places = defaultdict(list)
    for place, (device, _) in enumerate(runs):
        places[device].append(place)
    return [places[device] for device in sorted(places)]


def _same(left: QuestionMeans, right: QuestionMeans) -> None:
    for ours, theirs in zip(left, right, strict=True):
        if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
        else:
            assert ours == theirs


@given(RUNS, st.integers(1, 9))
@example([(0, [])], 3)
def test_pieces_are_joined_to_the_same_bytes_and_remembered_to_the_last_bit(
    runs: list[tuple[int, list[tuple[float, ...]]]], most: int
) -> None:
    judged, devices = [_judged(answers) for _, answers in runs], _devices(runs)
    whole = question_means(judged, devices)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(question_ranges, "PIECE_ANSWERS", most)
        cut = list(ranges(sum(len(answers) for _, answers in runs)))
    assert cut[0].first == 0 and cut[-1].last == HASHES - 1
    parts = [question_means([questions.of(run) for run in judged], devices) for questions in cut]
    _same(QuestionMeans.joined(parts), whole)
    _same(QuestionMeans.unpacked(whole.packed()), whole)


@given(RUNS)
def test_each_question_has_the_numbers_of_its_answers(
    runs: list[tuple[int, list[tuple[float, ...]]]],
) -> None:
    found = question_means([_judged(answers) for _, answers in runs], _devices(runs))
    answers = [answer for _, of_run in runs for answer in of_run]
    states = [answer[2] for answer in answers]
    assert (found.errors, found.timed, found.marked) == tuple(map(states.count, (ERROR, TIMED, MARKED)))
    assert found.question.tolist() == sorted({answer[0] for answer in answers})
    assert found.answered == len({answer[0] for answer in answers if answer[2] != ERROR})
    for place, question in enumerate(found.question.tolist()):
        of_question = [answer for answer in answers if answer[0] == question]
        assert found.exact_match[place] == pytest.approx(mean(answer[3] for answer in of_question))
        f1 = mean(answer[4] for answer in of_question)
        assert found.f1[place] == pytest.approx(f1, nan_ok=True)
        times = defaultdict(list)
        for device, of_run in runs:
            for answer in of_run:
                if answer[0] == question and answer[2] == TIMED:
                    times[device].append(answer[1])
        medians = [max(int(median(of_device)), 1) for of_device in times.values()]
        assert found.devices[place] == len(medians)
        if medians:
            assert max(found.time_ns[place], 1) == pytest.approx(
                float(np.exp(np.mean(np.log(medians)))), abs=1
            )
        if len(medians) > 1:
            assert found.middle_log[place] == pytest.approx(median(map(np.log, medians)))
        else:
            assert np.isnan(found.middle_log[place])


def test_times_are_of_the_questions_that_all_devices_have_if_there_are_any() -> None:
    def run(*questions: int) -> Judged:
        return _judged([(question, 100, TIMED, 1.0, 1.0, 1.0) for question in questions])

    assert question_means([run(1, 2), run(2, 3)], [[0], [1]]).times.question.tolist() == [2]
    assert question_means([run(1, 2), run(3)], [[0], [1]]).times.question.tolist() == [1, 2, 3]
    assert question_means([run(1, 2), run(3)], [[0, 1]]).times.question.tolist() == [1, 2, 3]


@given(st.lists(HASH, min_size=1), st.integers(1, 4), HASH, HASH)
def test_only_parts_with_such_questions_are_read(
    hashes: list[int], a_part: int, one_end: int, other_end: int
) -> None:
    hashes.sort()
    questions = QuestionRange(*sorted((one_end, other_end)))
    parts = [hashes[start : start + a_part] for start in range(0, len(hashes), a_part)]
    first, last = questions.parts([part[0] for part in parts])
    read = [value for part in parts[first : last + 1] for value in part]
    wanted = [value for value in hashes if questions.first <= value <= questions.last]
    assert [value for value in read if questions.first <= value <= questions.last] == wanted
    beside = [part for part in parts[first : last + 1] if not set(part) & set(wanted)]
    assert len(beside) <= 1, "the answers to the first question may begin in the part before"
