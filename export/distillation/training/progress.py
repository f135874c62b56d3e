"""How far the training is: a bar on a terminal, a line at each evaluation elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from export.distillation.evaluation import Accuracy

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Say = Callable[[str], None]


class Watcher(Protocol):
    """Whoever wants to know."""

    def step(self, number: int, steps: int, loss: float) -> None:
        """A step was made."""

    def scored(self, number: int, steps: int, score: Accuracy, best: bool) -> None:
        """The student was scored on the held-out questions."""

    def read(self, windows: int, total: int) -> None:
        """The teacher has read so many windows for the cache."""


class Lines(NamedTuple):
    """For a file or a pipe."""

    say: Say

    def step(self, number: int, steps: int, loss: float) -> None:
        """See `Watcher`; says nothing."""

    def scored(self, number: int, steps: int, score: Accuracy, best: bool) -> None:
        """See `Watcher`."""
        self.say(
            f"step {number}/{steps}: EM {score.exact_match:.1f}, F1 {score.f1:.1f} on held-out questions"
            f"{', the best so far' if best else ''}"
        )

    def read(self, windows: int, total: int) -> None:
        """See `Watcher`."""
        if windows == total:
            self.say(f"the teacher has read {total} windows, kept in the cache")


class Bar:
    """For a terminal."""

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
        said = [] if self._loss is None else [f"loss {self._loss:.3f}"]
        if self._score is not None:
            said.append(f"best EM {self._score.exact_match:.1f} F1 {self._score.f1:.1f}")
        if what not in self._tasks:
            # The first step of a resumed training is not the first: time left counts from here.
            self._tasks[what] = self._progress.add_task(what, total=total, completed=done, said="")
        self._progress.update(self._tasks[what], completed=done, said=", ".join(said))


@contextmanager
def watching(say: Say) -> Iterator[Watcher]:
    """A bar where standard error is a terminal, lines where it is not."""
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
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress)
