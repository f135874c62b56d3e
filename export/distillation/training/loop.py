"""Trains a student in a plain loop. Each step depends only on seed and step, so the training can be resumed.

transformers' Trainer draws another order if it resumes in the middle of an epoch, and supports neither layer
maps nor spans. This loop uses the same methods: AdamW, warm-up and decay, mixed precision, accumulation.
"""

import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from export.distillation.evaluation import HeldOut
from export.distillation.hidden_states import NetworkOutputs, WindowBatch
from export.distillation.teacher import Teacher
from export.distillation.training.checkpoints import Checkpoints, TrainingState
from export.distillation.training.device import Precision, precision
from export.distillation.training.log import Log
from export.distillation.training.objective import Objective
from export.distillation.training.progress import Watcher
from export.distillation.training.schedule import learning_rate
from export.distillation.training.trainable import Trainable
from export.distillation.windows import Labelled, batch, epoch
from export.errors import TrainingDiverged
from export.models.training_record import Evaluation, TrainingSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LARGEST_GRADIENT: Final = 1.0
"""Largest norm of a gradient; larger gradients are scaled down to it."""


class TrainingResult(NamedTuple):
    """The result of a training that has ended."""

    evaluations: list[Evaluation]
    best: Evaluation
    stopped_early: bool
    precision: Precision
    device: str


class _State(NamedTuple):
    step: int
    evaluations: list[Evaluation]
    losses: list[float]
    """Losses of the steps since the last evaluation."""
    seconds: float


class Trainer:
    """Trains one student.

    Args:
        trainable: the student, which is changed in place.
        teacher: the teacher; None if no loss needs it.
        windows: the windows to learn from.
        held_out: the questions to score the student on.
        objective: the weighted sum of losses to minimise.
        settings: settings of the training.
        padding: id of the padding token.
        checkpoints: the checkpoints to resume from and to write.
        log: the log, which gets a line for each step and each evaluation.
        watcher: receives the progress.
    """

    def __init__(
        self,
        *,
        trainable: Trainable,
        teacher: Teacher | None,
        windows: list[Labelled],
        held_out: HeldOut,
        objective: Objective,
        settings: TrainingSettings,
        padding: int,
        checkpoints: Checkpoints,
        log: Log,
        watcher: Watcher,
    ) -> None:
        import torch

        self._trainable, self._teacher, self._objective = trainable, teacher, objective
        self._windows, self._held_out, self._padding = windows, held_out, padding
        self._settings, self._checkpoints = settings, checkpoints
        self._log, self._watcher = log, watcher
        self._device = trainable.network.device
        self._precision = precision(self._device)
        self._optimiser = trainable.optimiser(settings.learning_rate, settings.weight_decay)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._precision == "fp16")

    def train(self) -> TrainingResult:
        """Train to the end, from the last checkpoint or from the start.

        Raises:
            TrainingDiverged: a loss or a gradient is not a finite number.
            StorageUnavailable: a checkpoint or the log cannot be written.
        """
        import torch

        settings = self._settings
        state = self._resumed()
        # Dropout helps long trainings only, and is slow on a CPU.
        self._trainable.network.train(self._device.type != "cpu")
        if state is None:
            torch.manual_seed(settings.seed)
            state = self._evaluated(_State(0, [], [], 0.0))
        while state.step < settings.steps and not self._is_stale(state):
            started = time.monotonic()
            loss = self._learn(state.step + 1)
            self._watcher.step(state.step + 1, settings.steps, loss)
            spent = state.seconds + time.monotonic() - started
            state = state._replace(step=state.step + 1, losses=[*state.losses, loss], seconds=spent)
            if state.step % settings.evaluate_every == 0 or state.step == settings.steps:
                state = self._evaluated(state)
        best = _best(state.evaluations)
        self._trainable.network.load_state_dict(self._checkpoints.best(best.step))
        self._trainable.network.eval()  # type: ignore[no-untyped-call]  # untyped there
        early = state.step < settings.steps
        return TrainingResult(state.evaluations, best, early, self._precision, self._device.type)

    def _learn(self, step: int) -> float:
        import torch

        settings = self._settings
        rate = learning_rate(step, settings)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        total = 0.0
        found: dict[str, Tensor] = {}
        for part in range(settings.accumulate):
            places = self._places((step - 1) * settings.accumulate + part)
            given = batch([self._windows[place] for place in places], self._padding, self._device)
            loss, found = self._loss(places, given)
            total += float(loss.detach()) / settings.accumulate
            if not math.isfinite(total):
                raise self._diverged(step, rate, found)
            self._scaler.scale(loss / settings.accumulate).backward()  # type: ignore[no-untyped-call]  # untyped there
        self._scaler.unscale_(self._optimiser)
        weights = [p for module in self._trainable.modules() for p in module.parameters()]
        norm = torch.nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT)
        if not self._scaler.is_enabled() and not torch.isfinite(norm):
            raise self._diverged(step, rate, {**found, "gradient": norm})
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._log.write({"step": step, "loss": total, **_plain(found), "learning_rate": rate})
        return total

    def _loss(self, places: list[int], given: WindowBatch) -> "tuple[Tensor, dict[str, Tensor]]":
        with self._autocast():
            student = self._trainable.outputs(given)
            teacher: NetworkOutputs = (
                student if self._teacher is None else self._teacher.outputs(places, given)
            )
        # Outside autocast: in half precision, a relation would have errors as large as the loss.
        return self._objective.measure(student, teacher, given)

    def _places(self, number: int) -> list[int]:
        """The windows of a part of a batch, by its number over all epochs."""
        size = self._settings.batch // self._settings.accumulate
        per_epoch = math.ceil(len(self._windows) / size)
        return self._epoch(number // per_epoch)[number % per_epoch]

    @lru_cache(maxsize=1)  # noqa: B019  # a trainer lives as long as its process
    def _epoch(self, number: int) -> list[list[int]]:
        size = self._settings.batch // self._settings.accumulate
        return epoch([len(window.ids) for window in self._windows], size, self._settings.seed, number)

    def _autocast(self) -> "torch.autocast":
        import torch

        kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
        return torch.autocast(
            self._device.type, dtype=kinds[self._precision], enabled=self._precision != "fp32"
        )

    def _evaluated(self, state: _State) -> _State:
        started = time.monotonic()
        score = self._held_out.score(self._trainable.network)
        seconds = state.seconds + time.monotonic() - started
        loss = sum(state.losses) / len(state.losses) if state.losses else None
        evaluation = Evaluation(
            step=state.step, exact_match=score.exact_match, f1=score.f1, loss=loss, seconds=seconds
        )
        state = _State(state.step, [*state.evaluations, evaluation], [], seconds)
        best = _best(state.evaluations)
        if best is evaluation:
            self._checkpoints.keep_best(state.step, self._trainable.network.state_dict())
        self._log.write({"evaluation": msgspec.to_builtins(evaluation)})
        self._checkpoints.keep(self._checkpoint(state), best.step)
        self._watcher.scored(state.step, self._settings.steps, score, best is evaluation)
        return state

    def _is_stale(self, state: _State) -> bool:
        patience = self._settings.patience
        after_best = len(state.evaluations) - 1 - state.evaluations.index(_best(state.evaluations))
        return 0 < patience <= after_best

    def _checkpoint(self, state: _State) -> TrainingState:
        import torch

        tensors: dict[str, Any] = {
            "modules": [module.state_dict() for module in self._trainable.modules()],
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self._device.type == "cuda":
            tensors["cuda_random"] = torch.cuda.get_rng_state()
        evaluations = msgspec.to_builtins(state.evaluations)
        return TrainingState(
            {"step": state.step, "evaluations": evaluations, "seconds": state.seconds}, tensors
        )

    def _resumed(self) -> _State | None:
        import torch

        found = self._checkpoints.latest()
        if found is None:
            self._log.cut(0)
            return None
        for module, weights in zip(self._trainable.modules(), found.tensors["modules"], strict=True):
            module.load_state_dict(weights)
        self._optimiser.load_state_dict(found.tensors["optimiser"])
        self._scaler.load_state_dict(found.tensors["scaler"])
        torch.set_rng_state(found.tensors["random"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(found.tensors["cuda_random"])
        progress = found.progress
        self._log.cut(progress["step"])
        evaluations = msgspec.convert(progress["evaluations"], list[Evaluation])
        return _State(progress["step"], evaluations, [], progress["seconds"])

    def _diverged(self, step: int, rate: float, found: "dict[str, Tensor]") -> TrainingDiverged:
        values = ", ".join(f"{name} {value:.4g}" for name, value in _plain(found).items())
        return TrainingDiverged(
            f"the training diverged at step {step} with a learning rate of {rate:.3g} ({values}): lower "
            "--learning-rate, or check the questions and the losses"
        )


def _best(evaluations: list[Evaluation]) -> Evaluation:
    return max(evaluations, key=lambda evaluation: evaluation.f1)


def _plain(found: "dict[str, Tensor]") -> dict[str, float]:
    return {name: float(value) for name, value in found.items()}
