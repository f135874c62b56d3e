import json
from collections import Counter
from pathlib import Path

import pytest

from agent.bundles.bundle import describe
from agent.planning.plan import settings_for
from agent.reading.reader import Reader
from commandline.outcome_text import no_rate_line, outcome_lines, undecided_line
from contract.records import Answer, RunFinished, RunStarted, Sample
from tests.agent.conftest import Agent, write_questions
from tests.agent.running.test_run import read_runs


def measured(
    agent: Agent, out: Path, bundle: Path, questions: Path, *how: str
) -> tuple[RunStarted, list[Answer], RunFinished]:
    """What one run records."""
    ended = agent("run", bundle, "--questions", questions, *how, "--to-file", out)
    assert ended.returncode == 0, ended.stderr
    ((_, records),) = read_runs(out).items()
    started, finished = records[0], records[-1]
    assert isinstance(started, RunStarted) and isinstance(finished, RunFinished)
    assert any(isinstance(record, Sample) for record in records)
    assert [record.seq for record in records] == list(range(len(records)))
    return started, [record for record in records if isinstance(record, Answer)], finished


def test_enough_different_questions_decide_a_percentile(
    agent: Agent, tiny_bundle: Path, tmp_path: Path
) -> None:
    asked = write_questions(tmp_path, 80, sentences=1)
    _, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, asked, "--until", "p90")
    assert finished.status == "complete"
    places = Counter((answer.question_id, answer.repeat) for answer in answers)
    assert set(places.values()) == {1}, "a question is asked once in a pass"
    newest = {a.question_id: a.tokenize_ns + a.infer_ns + a.decode_ns for a in answers if not a.marks}
    assert finished.outcome is not None
    p90, p99 = finished.outcome.bounds
    assert (p90.queries, p90.needed, p99.value_ns) == (len(newest), 64, None)
    assert len(newest) >= 64 and p90.value_ns in sorted(newest.values())[-len(newest) // 10 :]


def test_each_pass_has_an_order_of_its_own(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    how = ("--limit", "20", "--min-queries", "40")
    _, answers, _ = measured(agent, tmp_path / "out", tiny_bundle, questions, *how)
    first, second = ([a.question_id for a in answers if a.repeat == number] for number in (0, 1))
    assert len(first) == len(second) == 20 and set(first) == set(second) and first != second


def test_too_few_questions_for_a_percentile_are_announced_and_asked_once(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = agent("run", tiny_bundle, "--questions", questions, "--until", "p90", "--to-file", out)
    assert ended.returncode == 0, ended.stderr
    announced, *_ = ended.stderr.split("answered")
    assert (
        "--until p90 needs at least 64 different questions, and this run has 60, so each is asked once; its "
        "times count, but p90 stays undecided" in announced
    )
    ((_, records),) = read_runs(out).items()
    finished = records[-1]
    assert isinstance(finished, RunFinished) and finished.status == "inconclusive"
    assert finished.reason.startswith("p90 needs undisturbed times of 64 different questions")
    assert sum(isinstance(record, Answer) for record in records) == 60


def test_a_run_that_ends_before_is_inconclusive_and_counts(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    limits = ("--min-queries", "1000000", "--max-seconds", "1.5")
    started, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, questions, *limits)
    assert finished.status == "inconclusive"
    assert "--max-seconds ended it after" in finished.reason and "of 1000000 questions" in finished.reason
    assert len(answers) == finished.answered > 0
    assert (started.settings.min_queries, started.settings.max_seconds) == (1_000_000, 1.5)


@pytest.mark.proof
def test_what_cannot_become_known_is_given_up(agent: Agent, tiny_bundle: Path, tmp_path: Path) -> None:
    qas = [{"id": f"q{number}", "question": "Who?"} for number in range(64)]
    asked = tmp_path / "questions.json"
    asked.write_text(json.dumps({"data": [{"paragraphs": [{"context": "", "qas": qas}]}]}))
    _, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, asked, "--until", "p90")
    assert finished.status == "inconclusive"
    assert finished.reason.startswith("p90 needs undisturbed times of 64") and finished.reason.endswith(
        "has 0"
    )
    assert 640 <= len(answers) == finished.errors < 710
    assert finished.first_ns is None, "nothing was answered"


def test_offline_goes_in_batches_and_counts_questions_a_second(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    how = ("--scenario", "offline", "--batch-size", "16")
    started, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, questions, *how)
    assert (started.settings.scenario, started.settings.batch_size) == ("offline", 16)
    assert len(answers) == 60 == len({answer.question_id for answer in answers})
    assert finished.outcome is not None and finished.outcome.questions_per_second is not None
    shares = Counter(answer.at_ns for answer in answers)
    assert max(shares.values()) == 16
    busy = sum(a.tokenize_ns + a.infer_ns + a.decode_ns for a in answers) / 1e9
    assert 60 / finished.outcome.questions_per_second >= 0.9 * busy


def test_a_batch_gives_the_answers_of_single_questions(reader_bundle: Path) -> None:
    bundle = describe(reader_bundle)
    reader = Reader(bundle, settings_for(bundle))
    asked = [
        ("Who wrote it?", "Ada wrote it. " * 3),
        ("Who read it?", "Babbage read it. " * 90),
        ("Who?", ""),
    ]
    *batch, none = reader.read_batch(asked)
    assert str(none) == "the context is empty"
    for (question, context), together in zip(asked, batch, strict=False):
        alone = reader.read(question, context)
        assert not isinstance(together, Exception)
        assert together[:3] == alone[:3]
        assert together.confidence == pytest.approx(alone.confidence, abs=1e-3)
        assert (together.windows, together.tokens) == (alone.windows, alone.tokens)


def test_at_a_low_rate_nobody_waits_but_few_questions_decide_nothing(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    how = ("--scenario", "server", "--qps", "40", "--latency-bound", "5000", "--min-queries", "40")
    started, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, questions, *how)
    assert started.settings.latency_bound_ns == 5_000_000_000
    assert len(answers) == 40
    assert finished.outcome is not None
    (trial,) = finished.outcome.rates
    assert (trial.qps, trial.queries, trial.dropped, trial.held) == (40.0, 36, 4, False)
    assert finished.status == "inconclusive" and finished.reason == undecided_line(started.settings, trial)
    assert trial.undecided == "it takes more than 40 questions (--min-queries)"
    assert answers[-1].at_ns - answers[0].at_ns > 0.2e9, "they came over time"


def test_beyond_capacity_questions_wait_ever_longer(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    how = ("--scenario", "server", "--qps", "100000", "--latency-bound", "0.01", "--min-queries", "100")
    _, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, questions, *how)
    assert finished.status == "inconclusive" and "no rate that was tried" in finished.reason
    waited = [answer.waited_ns for answer in answers]
    assert waited[-1] > waited[10] > 0
    assert waited == sorted(waited)
    assert finished.outcome is not None and (finished.outcome.rates[0].load or 0) > 1


def test_the_agent_prints_what_a_run_found_in_the_shared_words(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for how in (
        ("--scenario", "offline", "--limit", "8"),
        ("--scenario", "server", "--qps", "100000", "--latency-bound", "0.01", "--min-queries", "100"),
    ):
        ended = agent("run", tiny_bundle, "--questions", questions, *how, "--to-file", out)
        assert ended.returncode == 0, ended.stderr
        started, *_, finished = list(read_runs(out).values())[-1]
        assert isinstance(started, RunStarted) and isinstance(finished, RunFinished)
        lines = list(outcome_lines(started.settings, finished.outcome))
        assert lines and [ended.stderr.count(line) for line in lines] == [1] * len(lines)
        assert finished.reason == ("" if how[1] == "offline" else no_rate_line(started.settings))


def test_sustained_lasts_its_minutes(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    how = ("--scenario", "sustained", "--minutes", "0.03")
    _, answers, finished = measured(agent, tmp_path / "out", tiny_bundle, questions, *how)
    assert finished.status == "complete"
    assert finished.elapsed_ns >= 1.8e9
    assert answers


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--qps", "3"), "--qps needs --scenario server"),
        (("--scenario", "server"), "needs --latency-bound MS"),
        (("--scenario", "offline", "--until", "p99"), "--until cannot be used with --scenario offline"),
        (("--min-seconds", "9", "--max-seconds", "3"), "--max-seconds 3 is less than --min-seconds 9"),
        (("--scenario", "sustained", "--max-seconds", "3"), "sustained takes --minutes"),
    ],
)
def test_options_that_cannot_be_combined_are_refused(
    agent: Agent, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    ended = agent("run", tmp_path, "--questions", tmp_path / "q", "--to-file", tmp_path / "out", *arguments)
    assert ended.returncode == 2
    assert expected in ended.stderr
