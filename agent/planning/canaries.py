"""Reads the file of canaries: questions on which machines are likeliest to differ."""

from pathlib import Path
from typing import Final

from agent.errors import BadInput
from contract.codec import printable
from contract.errors import Malformed
from contract.questions import Question, QuestionFile, decode_canaries

_MOST_BYTES: Final = 1_048_576


def read_canaries(path: Path, questions: QuestionFile) -> tuple[Question, ...]:
    """The questions that a file of canaries names, in its order.

    Args:
        path: the file, as `collector canaries` writes it.
        questions: the question file that is asked.

    Raises:
        BadInput: it cannot be read, is no such file, or is of another question file.
    """
    shown = f"'{printable(str(path))}'"
    try:
        with path.open("rb") as file:
            canaries = decode_canaries(file.read(_MOST_BYTES))
    except OSError as error:
        raise BadInput(f"cannot read the canaries {shown}: {error.strerror}") from None
    except Malformed as error:
        raise BadInput(f"{shown}: {error}") from None
    by_id = {question.id: question for question in questions.questions}
    unknown = [question_id for question_id in canaries.question_ids if question_id not in by_id]
    if canaries.questions_sha256 != questions.sha256 or unknown:
        raise BadInput(
            f"the canaries {shown} are of other questions than --questions: write them for this file with "
            "collector canaries"
        )
    return tuple(by_id[question_id] for question_id in canaries.question_ids)
