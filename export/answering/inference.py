"""Answers questions with a network, so that the answers of two networks can be compared.

A question is cut into windows of 384 tokens, of which neighbours share 128; for a network with fewer
positions, into windows of that many, of which neighbours share at most half. The answer is the most likely
span of at most 15 tokens over all windows, copied from the context. It serves to compare networks only: on a
device, the agent decodes the answer, and also widens spans to whole words.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.questions import Question
from export.errors import BadInput, first_line

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from transformers import PreTrainedModel

MAX_TOKENS: Final = 384
STRIDE_TOKENS: Final = 128
_MAX_ANSWER_TOKENS: Final = 15
_CONTEXT: Final = 1
_NEVER: Final = np.float32(-10000.0)

Logits = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Logits of the start and of the end of the answer, shape (tokens,) each."""


class Window(NamedTuple):
    """A piece of a question's text, as input of the network."""

    inputs: dict[str, NDArray[np.int64]]
    """Arrays of shape (1, tokens) by the names of inputs; a graph may not need all of them."""
    in_context: NDArray[np.bool_]
    """Whether each token belongs to the context, shape (tokens,)."""
    offsets: list[tuple[int, int]]
    """Range of characters that each token covers."""


Network = Callable[[Window], Logits]


class Cutter:
    """Cuts questions into windows.

    Args:
        tokenizer: the text of a `tokenizer.json`.
        inputs: names of the inputs that the network needs.
        positions: the longest sequence that the network accepts, in tokens.
    """

    def __init__(self, tokenizer: str, inputs: tuple[str, ...], positions: int = MAX_TOKENS) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._longest = min(MAX_TOKENS, positions)
        self._stride = min(STRIDE_TOKENS, self._longest // 2)
        special = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        self._question_room = self._longest - special - self._stride - 1
        self._truncate()
        self._inputs = inputs

    def windows(self, question: Question) -> list[Window]:
        """The windows of a question, in the order of its context; none if it leaves no room for its context.

        The agent calls such a question unanswerable.
        """
        if not self._fits(question):
            return []
        encoding = self._tokenizer.encode(question.question, question.context)
        found = []
        for part in (encoding, *encoding.overflowing):
            tensors = {
                "input_ids": part.ids,
                "attention_mask": part.attention_mask,
                "token_type_ids": part.type_ids,
            }
            found.append(
                Window(
                    {name: np.array([tensors[name]], dtype=np.int64) for name in self._inputs},
                    np.array([place == _CONTEXT for place in part.sequence_ids]),
                    part.offsets,
                )
            )
        return found

    def _fits(self, question: Question) -> bool:
        self._tokenizer.no_truncation()
        asked = self._tokenizer.encode(question.question, add_special_tokens=False)
        fits = (
            len(asked.ids) <= self._question_room
            or len(self._tokenizer.encode(question.question, question.context).ids) <= self._longest
        )
        self._truncate()
        return fits

    def _truncate(self) -> None:
        self._tokenizer.enable_truncation(self._longest, stride=self._stride, strategy="only_second")


def session(model: Path, threads: int = 0) -> "InferenceSession":
    """A session on the CPU whose threads do not spin between runs, so that several can be compared.

    Args:
        model: an ONNX file.
        threads: number of intra-op threads; 0 means one per core.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no narrower base
        raise BadInput(f"onnxruntime cannot load '{model}': {first_line(error)}") from error


def onnx_network(model: Path, threads: int = 0) -> Network:
    """An ONNX file as a `Network`; see `session`."""
    running = session(model, threads)
    names = [given.name for given in running.get_inputs()]

    def run(window: Window) -> Logits:
        inputs = {name: window.inputs[name] for name in names}
        start, end = running.run(["start_logits", "end_logits"], inputs)
        return start[0], end[0]

    return run


def torch_network(network: "PreTrainedModel") -> Network:
    """A PyTorch network as a `Network`."""
    import torch

    def run(window: Window) -> Logits:
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array) for name, array in window.inputs.items()}
            outputs = network(**tensors)
        return outputs.start_logits[0].numpy(), outputs.end_logits[0].numpy()

    return run


def answer(context: str, windows: list[Window], logits: list[Logits]) -> str:
    """The most likely span over all windows of a question; if several are equally likely, the first."""
    best, text = -np.inf, ""
    for window, (start, end) in zip(windows, logits, strict=True):
        scores = (
            _log_probabilities(start, window.in_context)[:, None]
            + _log_probabilities(end, window.in_context)[None]
        )
        allowed = np.triu(np.tri(len(scores), k=_MAX_ANSWER_TOKENS - 1, dtype=np.bool_))
        scores = np.where(allowed, scores, -np.inf)
        first, last = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[first, last] > best:
            best = float(scores[first, last])
            text = context[window.offsets[int(first)][0] : window.offsets[int(last)][1]]
    return text


def _log_probabilities(logits: NDArray[np.float32], in_context: NDArray[np.bool_]) -> NDArray[np.float32]:
    counted = in_context.copy()
    counted[0] = True  # CLS gets the probability that the window has no answer
    masked = np.where(counted, logits, _NEVER)
    masked = masked - masked.max()
    found: NDArray[np.float32] = np.where(in_context, masked - np.log(np.exp(masked).sum()), _NEVER)
    return found
