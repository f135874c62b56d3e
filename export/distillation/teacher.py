"""Provides the teacher's outputs for the training windows: computed each time, or once and kept on disk."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from export.distillation.hidden_states import Listener, NetworkOutputs, WindowBatch
from export.distillation.windows import Labelled, batch
from export.errors import BadInput, StorageUnavailable

if TYPE_CHECKING:
    import torch

Rows = NDArray[Any]
Advance = Callable[[int, int], None]
"""Function that receives the number of windows done and the number of all windows."""

_BATCH: Final = 16
_LOGITS: Final = "logits"
_INSIDE: Final = ("hidden", "queries", "keys", "values")


class Teacher(Protocol):
    """Something that provides the outputs that the student should imitate."""

    def outputs(self, places: list[int], given: WindowBatch) -> NetworkOutputs:
        """The teacher's outputs for a batch.

        Args:
            places: indices of the windows in the training data.
            given: the windows.
        """


class LiveTeacher:
    """The teacher's network itself, which runs each time."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def outputs(self, places: list[int], given: WindowBatch) -> NetworkOutputs:
        """See `Teacher`."""
        import torch

        with torch.no_grad():
            return self._listener.outputs(given)


class Entry(NamedTuple):
    """One file of a cache: the outputs of a layer for all tokens of all windows, one after another."""

    kind: str
    place: int
    """Layer of the student; 0 for logits."""
    file: str
    """Name of the file, with the layer of the teacher, so that students with other layers find it too."""


class CachedTeacher:
    """The teacher's outputs on disk, in half precision except for the logits.

    Args:
        folder: folder of this teacher and these windows.
        entries: the files that are needed.
        lengths: lengths of the windows, in tokens.
        heads: number of attention heads of the teacher.
    """

    def __init__(self, folder: Path, entries: list[Entry], lengths: list[int], heads: int) -> None:
        self._rows = {
            (entry.kind, entry.place): np.load(folder / entry.file, mmap_mode="r") for entry in entries
        }
        self._offsets = np.concatenate(([0], np.cumsum(lengths)))
        self._heads = heads

    def outputs(self, places: list[int], given: WindowBatch) -> NetworkOutputs:
        """See `Teacher`."""
        logits = self._padded(self._rows[_LOGITS, 0], places, given)
        inside: dict[str, dict[int, torch.Tensor]] = {kind: {} for kind in _INSIDE}
        for (kind, place), rows in self._rows.items():
            if kind != _LOGITS:
                inside[kind][place] = self._padded(rows, places, given)
        return NetworkOutputs(logits[..., 0], logits[..., 1], **inside, heads=self._heads)

    def _padded(self, rows: Rows, places: list[int], given: WindowBatch) -> "torch.Tensor":
        import torch

        found = np.zeros((*given.mask.shape, rows.shape[-1]), np.float32)
        for row, place in enumerate(places):
            begin, end = self._offsets[place], self._offsets[place + 1]
            found[row, : end - begin] = rows[begin:end]
        return torch.from_numpy(found).to(given.mask.device)


def cached_teacher(
    cache: Path,
    listener: Listener,
    layers: tuple[int, ...],
    windows: list[Labelled],
    identity: str,
    padding: int,
    advance: Advance,
) -> CachedTeacher:
    """The teacher's outputs from the cache; outputs that it lacks are computed once and kept.

    Args:
        cache: folder of the cache, for any number of teachers and data sets.
        listener: the teacher, with the hidden states that are needed.
        layers: the teacher's layer for each layer of the student, from 0 on.
        windows: all training windows.
        identity: text that identifies the teacher's weights.
        padding: id of the padding token.
        advance: function that receives the progress.

    Raises:
        BadInput: an output of the teacher is too large for half precision.
        StorageUnavailable: the cache cannot be written.
    """
    folder = cache / _digest(identity, windows)
    entries = list(_entries(listener, layers))
    missing = [entry for entry in entries if not (folder / entry.file).is_file()]
    lengths = [len(window.ids) for window in windows]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _compute(folder, missing, listener, windows, padding, advance)
        except OSError as error:
            raise StorageUnavailable(f"cannot write to '{folder}': {error.strerror or error}") from error
    return CachedTeacher(folder, entries, lengths, listener.heads)


def _entries(listener: Listener, layers: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(_LOGITS, 0, f"{_LOGITS}.npy")
    wanted = listener.wanted
    for kind, places in zip(
        _INSIDE, (wanted.hidden, wanted.attention, wanted.attention, wanted.values), strict=True
    ):
        for place in sorted(places):
            yield Entry(kind, place, f"{kind}-{layers[place]}.npy")


def _compute(
    folder: Path,
    missing: list[Entry],
    listener: Listener,
    windows: list[Labelled],
    padding: int,
    advance: Advance,
) -> None:
    offsets = np.concatenate(([0], np.cumsum([len(window.ids) for window in windows])))
    order = sorted(range(len(windows)), key=lambda place: len(windows[place].ids))
    teacher = LiveTeacher(listener)
    files: dict[Entry, np.memmap[Any, Any]] = {}
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        given = batch([windows[place] for place in places], padding, listener.network.device)
        outputs = teacher.outputs(places, given)
        for entry in missing:
            rows = _rows(outputs, entry)
            if entry not in files:
                files[entry] = _file(folder, entry, int(offsets[-1]), rows.shape[-1])
            for row, place in enumerate(places):
                files[entry][offsets[place] : offsets[place + 1]] = rows[row, : len(windows[place].ids)]
        advance(start + len(places), len(windows))
    for entry, file in files.items():
        file.flush()
        _partial(folder, entry).rename(folder / entry.file)


def _rows(outputs: NetworkOutputs, entry: Entry) -> Rows:
    import torch

    if entry.kind == _LOGITS:
        logits: Rows = torch.stack((outputs.start, outputs.end), dim=-1).float().cpu().numpy()
        return logits
    rows: Rows = getattr(outputs, entry.kind)[entry.place].half().cpu().numpy()
    if not np.isfinite(rows).all():
        what = "hidden states" if entry.kind == "hidden" else entry.kind
        raise BadInput(f"the teacher's {what} have numbers too large for the cache: leave out --cache")
    return rows


def _file(folder: Path, entry: Entry, tokens: int, width: int) -> "np.memmap[Any, Any]":
    kind = np.float32 if entry.kind == _LOGITS else np.float16
    needed, free = tokens * width * np.dtype(kind).itemsize, shutil.disk_usage(folder).free
    if needed > free:
        raise StorageUnavailable(
            f"the cache '{folder}' needs {needed / 1e6:,.0f} MB more for {entry.file}, but only "
            f"{free / 1e6:,.0f} MB are free: leave out --cache, or give another folder"
        )
    path = _partial(folder, entry)
    return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=(tokens, width))


def _partial(folder: Path, entry: Entry) -> Path:
    return folder / f"{entry.file}.partial"


def _digest(identity: str, windows: list[Labelled]) -> str:
    digest = hashlib.sha256(identity.encode())
    for window in windows:
        digest.update(window.ids.tobytes())
        digest.update(window.types.tobytes())
        digest.update(b"|")
    return digest.hexdigest()[:16]
