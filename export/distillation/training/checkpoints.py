"""The checkpoints that a killed training resumes from; each file is written whole or not at all."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from export.errors import BadInput, StorageUnavailable

if TYPE_CHECKING:
    from torch import Tensor

_LATEST: Final = "latest.pt"


class TrainingState(NamedTuple):
    """The state of a training after a step."""

    progress: dict[str, Any]
    """Plain values: the step, the evaluations and the seconds so far."""
    tensors: dict[str, Any]
    """State of the student, the optimiser and the random number generators."""


class Checkpoints:
    """The folder with the checkpoints of one training.

    Args:
        folder: the folder; it is made if needed.
        settings: digest of everything that decides the result; a checkpoint with another digest is refused.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self._folder = folder
        self._settings = settings
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"cannot write to '{folder}': {error.strerror or error}") from error

    def latest(self) -> TrainingState | None:
        """The last checkpoint; None if there is none.

        Raises:
            BadInput: it was made with other settings.
        """
        path = self._folder / _LATEST
        if not path.is_file():
            return None
        found = _load(path)
        if found["settings"] != self._settings:
            raise BadInput(
                f"'{path}' was made with other settings, data or weights: resume with the original ones, or "
                "choose another folder"
            )
        return TrainingState(found["progress"], found["tensors"])

    def keep(self, checkpoint: TrainingState, best: int) -> None:
        """Replace the last checkpoint, and remove all kept students except that of step `best`."""
        content = {**checkpoint._asdict(), "settings": self._settings}
        _save(content, self._folder / _LATEST)
        for path in self._folder.glob("best-*.pt"):
            if path != self._best(best):
                path.unlink()

    def keep_best(self, step: int, weights: "dict[str, Tensor]") -> None:
        """Keep the student of a step; the previous one stays until the next checkpoint."""
        _save(weights, self._best(step))

    def best(self, step: int) -> "dict[str, Tensor]":
        """The weights of the student that was kept at a step."""
        return _load(self._best(step))

    def remove(self) -> None:
        """Remove all checkpoints after the training has ended."""
        for path in self._folder.glob("*.pt*"):
            path.unlink()

    def _best(self, step: int) -> Path:
        return self._folder / f"best-{step}.pt"


def _save(content: object, path: Path) -> None:
    import torch

    partial = path.with_suffix(".pt.partial")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except (OSError, RuntimeError) as error:  # torch turns an OSError of the file into a RuntimeError
        raise StorageUnavailable(f"cannot write '{path}': {error}") from error


def _load(path: Path) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found
