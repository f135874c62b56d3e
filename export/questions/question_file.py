"""The questions of a file, or the ones that are shipped."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from contract.questions import QuestionFile, decode_questions
from export.errors import BadInput

if TYPE_CHECKING:
    pass

SHIPPED: Final = Path(__file__).with_name("calibration.json")
"""Questions on texts written for this purpose; they are in no data set and in no test."""


def questions(path: Path | None) -> QuestionFile:
    """The questions of a file, or the shipped ones.

    Raises:
        BadInput: the file cannot be read.
        ContractError: it is no question file.
    """
    try:
        return decode_questions((path or SHIPPED).read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read the question file '{path}': {error.strerror or error}") from None
