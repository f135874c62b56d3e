"""The network in onnxruntime: token ids in, start and end logits out. Nothing else imports onnxruntime."""

import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from agent.bundles.bundle import Bundle, verified_model
from agent.errors import BundleRefused, OutOfMemory
from agent.machine.device import cores_of
from agent.machine.huge_pages import TUNABLE
from contract.codec import printable

Ids = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]

CPU_PROVIDER: Final = "CPUExecutionProvider"
INPUT_IDS: Final = "input_ids"
ATTENTION_MASK: Final = "attention_mask"
TOKEN_TYPE_IDS: Final = "token_type_ids"  # noqa: S105 - a tensor's name, no secret
_INPUTS: Final = frozenset({INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS})
_OUTPUTS: Final = ("start_logits", "end_logits")
_NUMBERS: Final = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
_MEMORY_SIGNS: Final = ("bad_alloc", "bad allocation", "allocate memory")
_ERRORS_ONLY: Final = 3


class WindowLogits(NamedTuple):
    """The network's output for one window, per token."""

    start: Logits
    """Shape (tokens,)."""
    end: Logits
    """Shape (tokens,)."""


class Model:
    """One session of onnxruntime, set up for one question at a time.

    Args:
        bundle: what to load; its model file is verified here.
        threads: intra-op threads. One operator runs at a time (inter-op 1, sequential): the networks here
            are chains, so a second operator would only take cores from the first.
        options: by onnxruntime's own names: `provider`, `enable_cpu_mem_arena`, and session configuration
            entries without `session.`; also `affinity`, the cores to compute on, such as `0,2-3`. Options
            for glibc are ignored here: they take effect when a process starts.

    Raises:
        BundleRefused: the file does not match the manifest, or onnxruntime cannot load it with these options.
        OutOfMemory: the model does not fit into memory.
    """

    def __init__(self, bundle: Bundle, threads: int, options: dict[str, str | int | float | bool]) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        settings.log_severity_level = _ERRORS_ONLY
        entries = dict(options)
        provider = str(entries.pop("provider", CPU_PROVIDER))
        settings.enable_cpu_mem_arena = bool(entries.pop("enable_cpu_mem_arena", True))
        entries.pop(TUNABLE, None)
        if affinity := entries.pop("affinity", None):
            _compute_on(cores_of(str(affinity)))  # threads that are started later inherit it
        for name, value in entries.items():
            settings.add_session_config_entry(f"session.{name}", _entry(value))
        if provider not in (available := onnxruntime.get_available_providers()):
            raise BundleRefused(f"this onnxruntime has no {provider}, only {', '.join(available)}")
        with verified_model(bundle) as file:
            try:
                self._session = onnxruntime.InferenceSession(file.path, settings, providers=[provider])
            except Exception as error:  # onnxruntime's exceptions share no narrower base
                if any(sign in str(error) for sign in _MEMORY_SIGNS):
                    raise OutOfMemory(
                        f"out of memory while the model was loaded: {_one_line(error)}"
                    ) from None
                raise BundleRefused(f"onnxruntime cannot load the model: {_one_line(error)}") from None
        if provider not in self._session.get_providers():
            raise BundleRefused(f"{provider} does not work here: onnxruntime used another one instead")
        self._inputs = tuple(tensor.name for tensor in self._session.get_inputs())
        outputs = {tensor.name: tensor.type for tensor in self._session.get_outputs()}
        if self._inputs != bundle.manifest.inputs or not set(self._inputs) <= _INPUTS:
            raise BundleRefused(
                f"the model's inputs are {self._inputs}, but its manifest lists {bundle.manifest.inputs}"
            )
        if not outputs.keys() >= set(_OUTPUTS):
            raise BundleRefused(
                f"the model's outputs are {sorted(outputs)}, but must include {list(_OUTPUTS)}"
            )
        for name in _OUTPUTS:
            if outputs[name] not in _NUMBERS:
                raise BundleRefused(
                    f"the model's output {name} is a {outputs[name]}, not a tensor of numbers"
                )

    def run(self, ids: Ids, type_ids: Ids) -> WindowLogits:
        """Run one window, unpadded.

        Args:
            ids: token ids, shape (1, tokens).
            type_ids: 0 for the question and 1 for the context, shape (1, tokens).
        """
        feeds: dict[str, Any] = {}
        for name in self._inputs:
            if name == INPUT_IDS:
                feeds[name] = ids
            elif name == TOKEN_TYPE_IDS:
                feeds[name] = type_ids
            else:
                feeds[name] = np.ones_like(ids)
        # Arrays cost less than OrtValues or a binding if every input is new.
        start, end = self._session.run(_OUTPUTS, feeds)
        return WindowLogits(start[0], end[0])

    def run_batch(self, ids: Sequence[Ids], type_ids: Sequence[Ids]) -> list[WindowLogits]:
        """Run windows at once, padded to the longest and masked; without a mask, equal lengths at once.

        Args:
            ids: token ids of each window, shape (1, tokens).
            type_ids: 0 for the question and 1 for the context of each window, shape (1, tokens).
        """
        if ATTENTION_MASK in self._inputs:
            return self._run_padded(ids, type_ids)
        places: dict[int, list[int]] = {}
        for place, row in enumerate(ids):
            places.setdefault(row.size, []).append(place)
        found: dict[int, WindowLogits] = {}
        for alike in places.values():
            logits = self._run_padded([ids[place] for place in alike], [type_ids[place] for place in alike])
            found.update(zip(alike, logits, strict=True))
        return [found[place] for place in range(len(ids))]

    def _run_padded(self, ids: Sequence[Ids], type_ids: Sequence[Ids]) -> list[WindowLogits]:
        if not ids:
            return []
        longest = max(row.size for row in ids)

        def padded(rows: Sequence[Ids]) -> Ids:
            return np.concatenate([np.pad(row, ((0, 0), (0, longest - row.size))) for row in rows])

        feeds = {
            INPUT_IDS: padded(ids),
            TOKEN_TYPE_IDS: padded(type_ids),
            ATTENTION_MASK: padded([np.ones_like(row) for row in ids]),
        }
        starts, ends = self._session.run(_OUTPUTS, {name: feeds[name] for name in self._inputs})
        return [
            WindowLogits(start[: row.size], end[: row.size])
            for start, end, row in zip(starts, ends, ids, strict=True)
        ]


def _compute_on(cores: frozenset[int]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise BundleRefused("this system cannot restrict a program to some cores")
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        usable = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        wanted = ", ".join(map(str, sorted(cores)))
        raise BundleRefused(f"the cores {wanted} cannot be used, only {usable}") from None


def _one_line(error: Exception) -> str:
    return printable(str(error))


def _entry(value: str | int | float | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
