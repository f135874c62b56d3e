"""Reads the question files of a request: the windows to learn from, and the held-out questions."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from commandline.counted import counted
from contract.codec import printable
from contract.questions import Question
from export.answering.inference import Cutter
from export.distillation import windows as data
from export.distillation.evaluation import HeldOut
from export.distillation.request import DistilRequest
from export.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class TrainingData(NamedTuple):
    """The training questions, their windows, and the held-out questions."""

    questions: tuple[Question, ...]
    windows: list[data.Labelled]
    held_out: HeldOut
    held_out_from: str
    """Description of the source of the held-out questions."""
    padding: int
    """Id of the padding token."""

    def remark(self) -> str | None:
        """A sentence about questions whose gold answers cannot be learned; None if there are none."""
        unplaced = [q for q in self.questions if q.golds and not data.has_placed_gold(q)]
        if not unplaced:
            return None
        some = counted(len(unplaced), "question has", "questions have")
        return (
            f"{some} no gold answer that is in the context, such as {unplaced[0].id!r}: "
            "nothing is learned from these gold answers"
        )


def read_training_data(
    request: DistilRequest, tokenizer: "PreTrainedTokenizerFast", positions: int
) -> TrainingData:
    """Read the question files of a request, split off held-out questions, and cut the others into windows.

    Args:
        request: what to learn from.
        tokenizer: the teacher's.
        positions: the longest sequence that teacher and student accept, in tokens.

    Raises:
        BadInput: a question is given twice, or no question can be held out.
        ContractError: a file is not a question file.
    """
    asked = tuple(question for path in request.questions for question in data.read(path))
    if len({question.id for question in asked}) < len(asked):
        raise BadInput("two of the question files contain the same question id: give each question once")
    share = _share(request.held_out)
    if share is None:
        path = Path(request.held_out)
        held, described = data.read(path), printable(path.name)
        both = {question.id for question in held} & {question.id for question in asked}
        if both:
            some = counted(len(both), f"question of '{path}' is", f"questions of '{path}' are")
            raise BadInput(
                f"{some} also among the training questions (the first by id: {min(both)!r}): hold out others"
            )
    else:
        asked, held = data.split(asked, share, request.split_seed)
        described = f"whole articles, {share:.0%} of the questions, drawn with seed {request.split_seed}"
    scored = tuple(question for question in held if question.golds)
    if not scored:
        raise BadInput(
            f"none of the questions held out by {request.held_out!r} has a gold answer to score with: "
            "choose others with --held-out"
        )
    cutter = Cutter(tokenizer.backend_tokenizer.to_str(), data.INPUTS, positions)
    padding = tokenizer.pad_token_id or 0
    held_out = HeldOut(scored, cutter, padding)
    return TrainingData(asked, data.labelled(asked, cutter), held_out, described, padding)


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    if not 0 < share < 1:
        raise BadInput(f"held-out share {text!r} is not between 0 and 1")
    return share
