"""How well a network answers questions that it never learned from."""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from contract import squad_metrics as squad
from contract.questions import Question
from export.answering.inference import Cutter, Logits, Window, answer
from export.distillation.hidden_states import takes
from export.distillation.windows import Labelled, batch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BATCH: Final = 16


class Accuracy(NamedTuple):
    """Exact match and token F1 in percent."""

    exact_match: float
    f1: float


class HeldOut:
    """Questions to be scored on.

    Args:
        questions: each with a gold answer.
        cutter: as for training.
        padding: id of the token that fills up.
    """

    def __init__(self, questions: tuple[Question, ...], cutter: Cutter, padding: int) -> None:
        self.questions = questions
        self._windows: list[list[Window]] = [cutter.windows(question) for question in questions]
        self._padding = padding

    def answers(self, network: "PreTrainedModel") -> list[str]:
        """A network's answers, in the order of the questions, decoded as in `export.answering.inference`."""
        logits = self._logits(network)
        found = []
        for question, windows in zip(self.questions, self._windows, strict=True):
            said = [logits.pop(0) for _ in windows]
            found.append(answer(question.context, windows, said))
        return found

    def score(self, network: "PreTrainedModel") -> Accuracy:
        """EM and F1 as the SQuAD v1.1 script has them, in percent."""
        scores = [
            squad.score(text, (gold.text for gold in question.golds))
            for text, question in zip(self.answers(network), self.questions, strict=True)
        ]
        return Accuracy(
            100 * sum(score.exact_match for score in scores) / len(scores),
            100 * sum(score.f1 for score in scores) / len(scores),
        )

    def _logits(self, network: "PreTrainedModel") -> list[Logits]:
        import torch

        windows = [window for group in self._windows for window in group]
        order = sorted(range(len(windows)), key=lambda place: len(windows[place].in_context))
        found: dict[int, Logits] = {}
        was_training = network.training
        network.eval()  # type: ignore[no-untyped-call]  # untyped there
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            rows = [_unlabelled(windows[place]) for place in places]
            given = batch(rows, self._padding, network.device)
            with torch.inference_mode():
                said = network(**{name: given.inputs[name] for name in takes(network)})
            starts, ends = (side.float().cpu().numpy() for side in (said.start_logits, said.end_logits))
            for row, place in enumerate(places):
                tokens = len(windows[place].in_context)
                found[place] = starts[row, :tokens], ends[row, :tokens]
        network.train(was_training)
        return [found[place] for place in range(len(windows))]


def _unlabelled(window: Window) -> Labelled:
    ids: np.ndarray[tuple[int], np.dtype[np.int64]] = window.inputs["input_ids"][0]
    return Labelled(ids, window.inputs["token_type_ids"][0], 0, 0, False)
