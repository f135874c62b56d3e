"""Scores a network on questions that it did not learn from."""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from contract import squad_metrics as squad
from contract.questions import Question
from export.answering.inference import Cutter, Logits, Window, answer
from export.distillation.hidden_states import input_names
from export.distillation.windows import Labelled, batch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BATCH: Final = 16


class Accuracy(NamedTuple):
    """Exact match and token F1 in percent."""

    exact_match: float
    f1: float


class HeldOut:
    """The held-out questions, which networks are scored on.

    Args:
        questions: the questions; each has a gold answer.
        cutter: cuts the questions into windows, as for training.
        padding: id of the padding token.
    """

    def __init__(self, questions: tuple[Question, ...], cutter: Cutter, padding: int) -> None:
        self.questions = questions
        self._windows: list[list[Window]] = [cutter.windows(question) for question in questions]
        self._padding = padding

    def answers(self, network: "PreTrainedModel") -> list[str]:
        """The answers of a network in the order of the questions; see `export.answering.inference.answer`."""
        logits = self._logits(network)
        found = []
        for question, windows in zip(self.questions, self._windows, strict=True):
            found.append(answer(question.context, windows, [logits.pop(0) for _ in windows]))
        return found

    def score(self, network: "PreTrainedModel") -> Accuracy:
        """The mean EM and F1 of a network as the SQuAD v1.1 script computes them, in percent."""
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
                outputs = network(**{name: given.inputs[name] for name in input_names(network)})
            logits = (outputs.start_logits, outputs.end_logits)
            starts, ends = (side.float().cpu().numpy() for side in logits)
            for row, place in enumerate(places):
                tokens = len(windows[place].in_context)
                found[place] = starts[row, :tokens], ends[row, :tokens]
        network.train(was_training)
        return [found[place] for place in range(len(windows))]


def _unlabelled(window: Window) -> Labelled:
    ids: np.ndarray[tuple[int], np.dtype[np.int64]] = window.inputs["input_ids"][0]
    return Labelled(ids, window.inputs["token_type_ids"][0], 0, 0, False)
