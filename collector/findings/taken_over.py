"""The finding on an accuracy that was taken over from another machine."""

import msgspec

from collector.findings.between_rows import Interval


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One score of the questions that were asked here, and what they say about all questions.

    EM and F1 are in percent, BERTScore F1 is 0 to 1.
    """

    alone: float
    """The mean over the questions asked here, alone."""
    alone_interval: Interval | None
    """Interval of `alone`, for questions like these; None if there are too few."""
    transfer: Interval
    """Interval of the score over all questions of the file on this machine: the part of the row's interval
    that is due to the transfer."""


class TakenOver(msgspec.Struct, frozen=True, kw_only=True):
    """The accuracy of a row that asked a random part of the questions, taken over from another machine.

    That machine answered all questions with the same bundle, decoding and windows. Its mean score is
    corrected by the mean difference of the questions that both answered.
    """

    run_id: str
    """The run that answered all questions."""
    device_id: str
    machine: str
    """Type of that machine."""
    questions: int
    """How many questions there are."""
    asked: int
    """How many of them were asked here."""
    alike: int
    """How many of these were answered with the same text on both machines."""
    at_most_differ: int
    """With 95 % confidence, at most so many of all questions are answered with another text here (Clopper and
    Pearson)."""
    bit_equal: bool
    """Whether the confidences of all answers here are the same to the last bit."""
    exact_match: Part
    f1: Part
    bertscore_f1: Part | None
    """None if an answer has no BERTScore."""
