"""Whether a graph still answers what the network it came from answers."""

from typing import Any, Final, NamedTuple

import numpy as np

from contract.questions import Question, QuestionFile, questions_sha256
from contract.squad_metrics import score
from export.answering.inference import Cutter, Logits, Network, answer
from export.errors import VerificationFailed

LARGEST_DIFFERENCE: Final = 0.01
"""Of fp32 logits, which are of the order of 10, between PyTorch and onnxruntime."""
LEAST_AGREEMENT: Final = 0.8
"""Of a quantised reader with trained weights: below it something is broken, not merely rounded."""


class Reading(NamedTuple):
    """What a network says of one question."""

    text: str
    logits: list[Logits]
    """One pair a window."""


def chosen(file: QuestionFile, count: int) -> QuestionFile:
    """At most `count` questions, evenly spaced over the file."""
    total = len(file.questions)
    kept = (
        tuple(file.questions[i * total // count] for i in range(count)) if count < total else file.questions
    )
    return QuestionFile(kept, questions_sha256(kept))


def read(network: Network, cutter: Cutter, questions: tuple[Question, ...]) -> list[Reading]:
    """Let a network answer questions."""
    readings = []
    for question in questions:
        windows = cutter.windows(question)
        logits = [network(window) for window in windows]
        readings.append(Reading(answer(question.context, windows, logits), logits))
    return readings


class Comparison(NamedTuple):
    """How the readings of one network differ from another's."""

    questions: int
    same: int
    """Questions whose answers are equal to the letter."""
    largest_difference: float
    """Of any logit."""
    f1_loss: float | None
    """In points, positive for a loss; None where no question has a gold answer."""

    @property
    def agreement(self) -> float:
        """Share of equal answers, 0 to 1."""
        return self.same / self.questions


def compare(questions: tuple[Question, ...], reference: list[Reading], found: list[Reading]) -> Comparison:
    """Compare two networks on the questions that both have read."""
    losses = f1_losses(questions, reference, found)
    return Comparison(
        questions=len(questions),
        same=sum(a.text == b.text for a, b in zip(reference, found, strict=True)),
        largest_difference=max(
            float(np.abs(ours - theirs).max())
            for a, b in zip(reference, found, strict=True)
            for pair in zip(a.logits, b.logits, strict=True)
            for ours, theirs in zip(*pair, strict=True)
        ),
        f1_loss=100 * sum(losses) / len(losses) if losses else None,
    )


def f1_losses(questions: tuple[Question, ...], reference: list[Reading], found: list[Reading]) -> list[float]:
    """What each question that has gold answers loses, 0 to 1; what it gains is negative."""
    return [
        f1(before.text, question) - f1(after.text, question)
        for question, before, after in zip(questions, reference, found, strict=True)
        if question.golds
    ]


def mean_f1(questions: tuple[Question, ...], readings: list[Reading]) -> float | None:
    """In percent, over the questions that have gold answers; None where none has."""
    scores = [f1(said.text, asked) for said, asked in zip(readings, questions, strict=True) if asked.golds]
    return round(100 * sum(scores) / len(scores), 2) if scores else None


def f1(text: str, question: Question) -> float:
    """Token F1 as the SQuAD v1.1 script has it, best over the gold answers, 0 to 1."""
    return score(text, (gold.text for gold in question.golds)).f1


def check_exact(comparison: Comparison, name: str, trained: bool) -> None:
    """Refuse an fp32 graph that is not its PyTorch network.

    Random weights may answer otherwise, since any two of their spans may be equally likely.

    Raises:
        VerificationFailed: a logit differs by more than rounding, or an answer of trained weights does.
    """
    if comparison.largest_difference > LARGEST_DIFFERENCE or (trained and comparison.agreement < 1):
        raise VerificationFailed(
            f"the graph of {name} gives {comparison.same} of {comparison.questions} answers of its PyTorch "
            f"network, and logits differ by up to {comparison.largest_difference:.3g}"
        )


def check_quantised(comparison: Comparison, name: str) -> None:
    """Refuse a quantised reader that lost its answers.

    Raises:
        VerificationFailed: fewer than `LEAST_AGREEMENT` of the answers are its fp32 graph's.
    """
    if comparison.agreement < LEAST_AGREEMENT:
        raise VerificationFailed(
            f"{name} gives only {comparison.same} of {comparison.questions} answers of its fp32 graph"
        )


def recorded(comparison: Comparison, against: str, questions_sha256: str) -> dict[str, Any]:
    """A comparison as the manifest holds it."""
    return {
        "against": against,
        "questions": comparison.questions,
        "questions_sha256": questions_sha256,
        "same_answers": comparison.same,
        "largest_logit_difference": round(comparison.largest_difference, 6),
        "f1_loss_points": None if comparison.f1_loss is None else round(comparison.f1_loss, 2),
    }
