"""Shows the progress of a training: a bar on a terminal, otherwise a line for each evaluation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from commandline.counted import counted
from export.distillation.evaluation import Accuracy

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Say = Callable[[str], None]


class Watcher(Protocol):
    """Receives the progress of a training."""

    def step(self, number: int, steps: int, loss: float) -> None:
        """Called after each step."""

    def scored(self, number: int, steps: int, score: Accuracy, best: bool) -> None:
        """Called after the student was scored on the held-out questions."""

    def read(self, windows: int, total: int) -> None:
        """Called while the teacher computes the cache: `windows` of `total` are done."""


class Lines(NamedTuple):
    """A watcher that prints lines, for a file or a pipe."""

    say: Say

    def step(self, number: int, steps: int, loss: float) -> None:
        """See `Watcher`; prints nothing."""

    def scored(self, number: int, steps: int, score: Accuracy, best: bool) -> None:
        """See `Watcher`."""
        self.say(
            f"step {number}/{steps}: EM {score.exact_match:.1f}, F1 {score.f1:.1f} on held-out questions"
            f"{', the best so far' if best else ''}"
        )

    def read(self, windows: int, total: int) -> None:
        """See `Watcher`."""
        if windows == total:
            self.say(f"the teacher has read {counted(total, 'window')}; its outputs are in the cache")


class Bar:
    """A watcher that shows bars, for a terminal."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._loss: float | None = None
        self._score: Accuracy | None = None

    def step(self, number: int, steps: int, loss: float) -> None:
        """See `Watcher`."""
        self._loss = loss if self._loss is None else 0.9 * self._loss + 0.1 * loss
        self._show("training", number, steps)

    def scored(self, number: int, steps: int, score: Accuracy, best: bool) -> None:
        """See `Watcher`."""
        self._score = score if best or self._score is None else self._score
        self._show("training", number, steps)

    def read(self, windows: int, total: int) -> None:
        """See `Watcher`."""
        self._show("teacher reads", windows, total)

    def _show(self, what: str, done: int, total: int) -> None:
        facts = [] if self._loss is None else [f"loss {self._loss:.3f}"]
        if self._score is not None:
            facts.append(f"best EM {self._score.exact_match:.1f} F1 {self._score.f1:.1f}")
        if what not in self._tasks:
            # A resumed training does not start at step 1, so the remaining time is estimated from here on.
            self._tasks[what] = self._progress.add_task(what, total=total, completed=done, facts="")
        self._progress.update(self._tasks[what], completed=done, facts=", ".join(facts))


@contextmanager
def watching(say: Say) -> Iterator[Watcher]:
    """A watcher that shows bars if standard error is a terminal, and prints lines otherwise."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(say)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress)
