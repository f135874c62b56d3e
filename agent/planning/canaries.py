"""Reads the file of canaries: questions on which machines are likeliest to differ."""

from pathlib import Path

from agent.errors import BadInput
from commandline.disk import decoded
from contract.codec import printable
from contract.questions import MOST_CANARY_BYTES, Question, QuestionFile, decode_canaries


def read_canaries(path: Path, questions: QuestionFile) -> tuple[Question, ...]:
    """The questions that a file of canaries names, in its order.

    Args:
        path: the file, as `collector canaries` writes it.
        questions: the question file that is asked.

    Raises:
        BadInput: it cannot be read, is no such file, or is of another question file.
    """
    canaries = decoded(path, MOST_CANARY_BYTES, "canaries", decode_canaries, BadInput)
    by_id = {question.id: question for question in questions.questions}
    unknown = [question_id for question_id in canaries.question_ids if question_id not in by_id]
    if canaries.questions_sha256 != questions.sha256 or unknown:
        raise BadInput(
            f"the canaries '{printable(str(path))}' are of other questions than --questions: write them for "
            "this file with collector canaries"
        )
    return tuple(by_id[question_id] for question_id in canaries.question_ids)
