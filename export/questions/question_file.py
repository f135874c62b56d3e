"""Reads the questions of a file, or those that come with the program."""

from pathlib import Path
from typing import Final

from contract.questions import HasUnanswerable, QuestionFile, decode_questions
from export.errors import BadInput

SHIPPED: Final = Path(__file__).with_name("calibration.json")
"""Questions on texts that were written for calibration; they are in no data set and in no test."""


def questions(path: Path | None) -> QuestionFile:
    """The questions of a file, or those that come with the program if the path is None.

    Raises:
        BadInput: the file cannot be read.
        ContractError: it is not a question file.
    """
    try:
        return decode_questions((path or SHIPPED).read_bytes())
    except HasUnanswerable as error:
        raise BadInput(
            f"'{path}': {error}, in: export-models questions squad --from '{path}' --answerable-only --to "
            "answerable.json"
        ) from None
    except OSError as error:
        raise BadInput(f"cannot read the question file '{path}': {error.strerror or error}") from None
