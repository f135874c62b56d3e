"""Ways to answer questions with one model: our reader, Hugging Face's pipelines, the bare network.

Each is a process of its own, since threads that wait for work by spinning would slow down the others. All get
the same number of threads; everything else keeps its default.
"""

import gc
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self

from agent.bundles.bundle import describe
from agent.machine.huge_pages import environment
from agent.planning.plan import RuntimeOptions, settings_for
from agent.reading.reader import Reader
from contract.bundle import MODEL_FILE, TOKENIZER_FILE
from contract.questions import Question

Way = Literal["pipeline, PyTorch", "pipeline, onnxruntime", "our reader", "bare network"]

WARMUP: Final = 10
BLOCK: Final = 8
"""Questions per turn."""
PAUSE_SECONDS: Final = 0.03
"""Pause before a turn, in which the threads of the contestant before it stop spinning."""
_READY: Final = "ready"


class Entry(NamedTuple):
    """A contestant: how it answers, and with which model."""

    way: Way
    precision: str
    folder: Path
    """A bundle; for pipelines a checkpoint that transformers or optimum load."""
    threads: int
    options: RuntimeOptions = RuntimeOptions()
    """Options of our reader's runtime."""


class TimedAnswer(NamedTuple):
    """One question's answer and its time in nanoseconds."""

    text: str
    ns: int


class Contestant:
    """A process that answers blocks of questions, alive inside the `with` block."""

    def __init__(self, entry: Entry, questions: Sequence[Question]) -> None:
        context = multiprocessing.get_context("spawn")
        self.entry = entry
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(self._theirs, entry, tuple(questions)), daemon=True
        )

    def __enter__(self) -> Self:
        with _environment(self.entry):
            self._process.start()
        self._theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def wait(self) -> None:
        """Wait until it has loaded and warmed up.

        Raises:
            SystemExit: it could not load or answer.
        """
        if (said := self._pipe.recv()) != _READY:
            raise SystemExit(f"bench: {said}")

    def answer(self, first: int, count: int) -> list[TimedAnswer]:
        """Answer `count` questions from number `first` on, after one that is not timed."""
        self._pipe.send((first, count))
        answered: list[TimedAnswer] = self._pipe.recv()
        return answered


class Compared(NamedTuple):
    """The answers of all contestants."""

    answers: list[list[TimedAnswer]]
    """For each contestant its answers, in the order of the questions."""
    load: float
    """Load average of the machine before the first turn."""


def compare(entries: Sequence[Entry], questions: Sequence[Question]) -> Compared:
    """Start all, wait until they are ready, and let them take turns.

    Raises:
        SystemExit: one could not start.
    """
    with ExitStack() as running:
        contestants = [running.enter_context(Contestant(entry, questions)) for entry in entries]
        for contestant in contestants:
            contestant.wait()
        load = os.getloadavg()[0]
        return Compared(take_turns(contestants, len(questions)), load)


def take_turns(contestants: Sequence[Contestant], count: int) -> list[list[TimedAnswer]]:
    """Let each answer all questions, a block at a time, in an order that rotates.

    Args:
        contestants: those that have loaded their model.
        count: how many questions they have.

    Returns:
        For each contestant its answers, in the order of the questions.
    """
    answered: list[list[TimedAnswer]] = [[] for _ in contestants]
    for block, first in enumerate(range(0, count, BLOCK)):
        for turn in range(len(contestants)):
            place = (block + turn) % len(contestants)
            time.sleep(PAUSE_SECONDS)
            answered[place] += contestants[place].answer(first, min(BLOCK, count - first))
    return answered


@contextmanager
def _environment(entry: Entry) -> Iterator[None]:
    """Set the environment of our worker for our reader and the bare network; pipelines get the user's."""
    before = dict(os.environ)
    if entry.way in ("our reader", "bare network"):
        os.environ.update(environment(entry.options.recorded()))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


Answer = Callable[[Question], str]


def _serve(pipe: Connection, entry: Entry, questions: tuple[Question, ...]) -> None:
    warnings.simplefilter("ignore")  # of transformers, about its own arguments
    try:
        answer = _MAKERS[entry.way](entry, questions)
        for question in questions[:WARMUP]:
            answer(question)
    except Exception as error:  # any error of a library ends the comparison
        pipe.send(f"{entry.way}: {type(error).__name__}: {error}")
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    pipe.send(_READY)
    while True:
        first, count = pipe.recv()
        answer(questions[first])  # not timed: the caches hold another contestant's data
        answered = []
        for question in questions[first : first + count]:
            begun = time.perf_counter_ns()
            text = answer(question)
            answered.append(TimedAnswer(text, time.perf_counter_ns() - begun))
        pipe.send(answered)
        gc.collect()


def _our_reader(entry: Entry, questions: tuple[Question, ...]) -> Answer:
    bundle = describe(entry.folder)
    reader = Reader(bundle, settings_for(bundle, threads=entry.threads, options=entry.options))
    return lambda question: reader.read(question.question, question.context).text


def _bare_network(entry: Entry, questions: tuple[Question, ...]) -> Answer:
    """`session.run` on windows that were cut beforehand, and nothing else: no reader can be faster."""
    import onnxruntime

    from export.answering.inference import Cutter

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = entry.threads
    session = onnxruntime.InferenceSession(str(entry.folder / MODEL_FILE), options)
    cutter = Cutter(
        (entry.folder / TOKENIZER_FILE).read_text("utf-8"), describe(entry.folder).manifest.inputs
    )
    cut = {question.id: [w.inputs for w in cutter.windows(question)] for question in questions}

    def answer(question: Question) -> str:
        for inputs in cut[question.id]:
            session.run(None, inputs)
        return ""

    return answer


def _pipeline_on_pytorch(entry: Entry, questions: tuple[Question, ...]) -> Answer:
    import torch
    from transformers import AutoModelForQuestionAnswering

    torch.set_num_threads(entry.threads)
    network = AutoModelForQuestionAnswering.from_pretrained(entry.folder, dtype=torch.float32)
    return _pipeline(network, entry.folder)


def _pipeline_on_onnxruntime(entry: Entry, questions: tuple[Question, ...]) -> Answer:
    import onnxruntime
    from optimum.onnxruntime import ORTModelForQuestionAnswering

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = entry.threads
    network = ORTModelForQuestionAnswering.from_pretrained(entry.folder, session_options=options)
    return _pipeline(network, entry.folder)


def _pipeline(network: Any, folder: Path) -> Answer:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)  # type: ignore[no-untyped-call]  # untyped there
    pipeline: Any = transformers.pipeline(
        "question-answering", model=network, tokenizer=tokenizer, device="cpu"
    )

    def answer(question: Question) -> str:
        text: str = pipeline(question=question.question, context=question.context)["answer"]
        return text

    return answer


_MAKERS: Final[dict[Way, Callable[[Entry, tuple[Question, ...]], Answer]]] = {
    "pipeline, PyTorch": _pipeline_on_pytorch,
    "pipeline, onnxruntime": _pipeline_on_onnxruntime,
    "our reader": _our_reader,
    "bare network": _bare_network,
}
