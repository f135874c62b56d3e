"""Runs one distillation, from the request to the folder of the student."""

import hashlib
import math
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commandline.counted import counted
from contract.codec import encode, printable
from contract.questions import questions_sha256
from export import toolchain as tools
from export.distillation import card, teacher
from export.distillation import load as sources
from export.distillation.adapter import Adapter, adapted
from export.distillation.adapter import save as save_adapter
from export.distillation.evaluation import Accuracy
from export.distillation.hidden_states import Listener
from export.distillation.request import DistilRequest
from export.distillation.student import Student, student
from export.distillation.teacher import LiveTeacher, Teacher
from export.distillation.training import objective
from export.distillation.training.checkpoints import Checkpoints
from export.distillation.training.device import precision, this_device
from export.distillation.training.log import Log
from export.distillation.training.loop import Trainer, TrainingResult
from export.distillation.training.objective import Objective
from export.distillation.training.progress import Watcher, watching
from export.distillation.training.trainable import trainable
from export.distillation.training_data import TrainingData, read_training_data
from export.distillation.windows import has_placed_gold
from export.errors import BadInput, StorageUnavailable
from export.models import training_record as record
from export.models.adapter import ADAPTER_CONFIG
from export.models.catalog import architecture
from export.models.sources import CONFIG, Source
from export.models.training_record import TrainingQuestions, TrainingRecord, TrainingSettings
from export.quiet_libraries import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Say = Callable[[str], None]

_NEEDED: Final = ("torch", "transformers", "peft", "rich")
_TOOLS: Final = ("numpy", "tokenizers", "torch", "transformers")
_WORK: Final = "training"
_CONFIGS: Final = (CONFIG, ADAPTER_CONFIG)
_MAX_TOKENS: Final = 512
_LITTLE: Final = 0.5
"""Share of copied parameters, 0 to 1, below which a warning is printed."""
_EVALUATIONS: Final = 8
"""Number of evaluations of a training if the request gives no interval."""


def distil(request: DistilRequest, to: Path, say: Say) -> TrainingRecord:
    """Train a student and write its folder.

    Args:
        request: the request.
        to: folder of the student; a killed training leaves its checkpoints there.
        say: function that prints a line for the user.

    Raises:
        BadInput: something in the request is wrong.
        HubUnavailable: a model cannot be downloaded from the hub.
        NotInstalled: torch or another library is missing.
        StorageUnavailable: `to` or the cache cannot be written.
        TrainingDiverged: a loss or a gradient is not a finite number.
    """
    tools.check_installed("distilling", _NEEDED)
    if request.batch % request.accumulate:
        raise BadInput(
            f"a batch of {counted(request.batch, 'window')} cannot be split into {request.accumulate} equal "
            f"parts: choose a multiple of {request.accumulate} with --batch"
        )
    objective.parse(request.losses, 1, request.temperature)  # check it before anything is loaded
    finished = _check_place(to, resume=request.resume)
    if finished is not None:
        say(f"the training in '{to}' is already finished")
        return finished
    source = sources.find(request.teacher, request.base)
    say(f"loading the teacher ({source.weights.origin}: {source.weights.source})")
    master, tokenizer = sources.load_teacher(source)
    young = student(request, master, tokenizer, _short(source.weights.source))
    adapter = None
    if request.adapter is not None:
        young, adapter = adapted(young, source, request.adapter, request.seed)
    positions = min(architecture(master.config.to_dict()).max_positions, young.architecture.max_positions)
    learning = read_training_data(request, tokenizer, positions)
    if sentence := learning.remark():
        say(sentence)
    _say_student(young, adapter, say)
    goal = objective.parse(request.losses, young.architecture.layers, request.temperature)
    _check_answers(goal, learning, request)
    work = to / _WORK
    settings = _settings(request, len(learning.windows))
    checkpoints = Checkpoints(work, _identity(request, source, settings, learning, young))
    device = this_device()
    master.to(device)  # type: ignore[arg-type]  # torch types this as a method of nn.Module alone
    young.network.to(device)  # type: ignore[arg-type]  # as above
    with ExitStack() as stack:
        watcher = stack.enter_context(watching(say))
        trainer = Trainer(
            trainable=trainable(young.network, goal.wanted, master.config.hidden_size, request.seed),
            teacher=_teacher(request, source, master, young, goal, learning, watcher),
            windows=learning.windows,
            held_out=learning.held_out,
            objective=goal,
            settings=settings,
            padding=learning.padding,
            checkpoints=checkpoints,
            log=Log(to / card.LOG),
            watcher=watcher,
        )
        outcome = trainer.train()
    theirs = learning.held_out.score(master)
    made = _record(request, source, master, young, adapter, goal, learning, settings, outcome, theirs)
    tokenizer.model_max_length = min(_MAX_TOKENS, made.architecture.max_positions)

    def write_weights(folder: Path) -> None:
        if adapter is not None:
            save_adapter(adapter, folder, source.checkpoint and source.checkpoint.commit)
        else:
            young.network.cpu().save_pretrained(folder)
            tokenizer.save_pretrained(folder)

    _save(made, write_weights, work, to)
    checkpoints.remove()
    shutil.rmtree(work, ignore_errors=True)
    return made


def _short(source: str) -> str:
    """The short form of the teacher's name, which is part of its student's name."""
    return source.partition(" on ")[0].rpartition("/")[2].lower()


def _say_student(young: Student, adapter: Adapter | None, say: Say) -> None:
    share = young.copied / young.parameters
    say(
        f"the student has {counted(young.architecture.layers, 'layer')} of "
        f"{counted(young.architecture.hidden_size, 'channel')} and {young.parameters / 1e6:.1f}M parameters; "
        f"it starts from {young.begun_from}"
    )
    if adapter is not None:
        say(f"it is trained as an adapter of rank {adapter.rank} on {adapter.base}")
    if young.copied and share < _LITTLE:
        say(
            f"only {share:.0%} of its parameters have a counterpart in the teacher; the others start at "
            "random and need far more text than a question file has"
        )


def _teacher(
    request: DistilRequest,
    source: Source,
    master: "PreTrainedModel",
    young: Student,
    goal: Objective,
    training_data: TrainingData,
    watcher: Watcher,
) -> Teacher | None:
    if not goal.needs_teacher:
        return None
    layers = (0, *young.layers)
    listener = Listener(master, goal.wanted, layers)
    if request.cache is None:
        return LiveTeacher(listener)
    identity = f"{source.weights.source} {source.weights.revision}"
    return teacher.cached_teacher(
        request.cache, listener, layers, training_data.windows, identity, training_data.padding, watcher.read
    )


def _check_answers(goal: Objective, training_data: TrainingData, request: DistilRequest) -> None:
    if not goal.needs_teacher and not any(window.answered for window in training_data.windows):
        raise BadInput(
            f"losses {request.losses!r} learn from gold answers alone, but the training questions have none: "
            "add soft=1"
        )


def _settings(request: DistilRequest, windows: int) -> TrainingSettings:
    steps = request.steps or math.ceil(request.epochs * windows / request.batch)
    return TrainingSettings(
        steps=steps,
        batch=request.batch,
        accumulate=request.accumulate,
        learning_rate=request.learning_rate,
        warm_up=request.warm_up,
        weight_decay=request.weight_decay,
        seed=request.seed,
        evaluate_every=request.evaluate_every or math.ceil(steps / _EVALUATIONS),
        patience=request.patience,
    )


def _identity(
    request: DistilRequest,
    source: Source,
    settings: TrainingSettings,
    training_data: TrainingData,
    young: Student,
) -> str:
    """A digest of everything that decides the result, to check that a resumed training is the same one."""
    decisive = (
        source.weights,
        settings,
        young.architecture,
        young.layers,
        young.begun_from,
        request.losses,
        request.temperature,
        request.adapter,
        [name for name, weights in young.network.named_parameters() if weights.requires_grad],
        precision(this_device()),
        questions_sha256(training_data.questions),
        questions_sha256(training_data.held_out.questions),
    )
    return hashlib.sha256(encode(decisive)).hexdigest()


def _record(
    request: DistilRequest,
    source: Source,
    master: "PreTrainedModel",
    young: Student,
    adapter: Adapter | None,
    goal: Objective,
    training_data: TrainingData,
    settings: TrainingSettings,
    outcome: TrainingResult,
    theirs: Accuracy,
) -> TrainingRecord:
    import torch

    losses = {term.name: term.weight for term in goal.terms}
    held = training_data.held_out.questions
    return TrainingRecord(
        name=request.name or young.name,
        title=request.title or request.name or young.title,
        distillation=_distillation_line(source.weights.source, goal, young),
        teacher=source.weights,
        teacher_architecture=architecture(master.config.to_dict()),
        teacher_exact_match=theirs.exact_match,
        teacher_f1=theirs.f1,
        architecture=young.architecture,
        parameters=young.parameters,
        begun_from=young.begun_from,
        copied_parameters=young.copied,
        adapter_rank=adapter and adapter.rank,
        adapter_base=adapter and adapter.base,
        losses=losses,
        temperature=request.temperature,
        layers=young.layers,
        settings=settings,
        data=TrainingQuestions(
            files=tuple(printable(path.name) for path in request.questions),
            questions=len(training_data.questions),
            questions_sha256=questions_sha256(training_data.questions),
            articles=tuple(dict.fromkeys(q.title for q in training_data.questions if q.title)),
            answered=sum(map(has_placed_gold, training_data.questions)),
            windows=len(training_data.windows),
            held_out=training_data.held_out_from,
            held_out_questions=len(held),
            held_out_sha256=questions_sha256(held),
            held_out_articles=tuple(dict.fromkeys(question.title for question in held)),
        ),
        best=outcome.best,
        evaluations=tuple(outcome.evaluations),
        stopped_early=outcome.stopped_early,
        precision=outcome.precision,
        device=outcome.device,
        threads=torch.get_num_threads(),
        tools={name: version(name) for name in _TOOLS},
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _distillation_line(teacher: str, goal: Objective, young: Student) -> str:
    """The description of the distillation in one line."""
    if not goal.needs_teacher:
        start = young.begun_from.replace("the teacher", teacher)
        return f"trained on gold answers alone; started from {start}"
    losses = ", ".join(term.name for term in goal.terms)
    return f"distilled from {teacher} by {losses}; started from {young.begun_from}"


def _save(made: TrainingRecord, write_weights: Callable[[Path], None], work: Path, to: Path) -> None:
    """Write the student next to its checkpoints, then move its files up, with the configuration last."""
    draft = work / "student"
    try:
        with quiet():
            write_weights(draft)
        record.write(made, draft)
        card.write(made, draft)
        for path in sorted(draft.iterdir(), key=lambda path: path.name in _CONFIGS):
            path.rename(to / path.name)
    except OSError as error:
        raise StorageUnavailable(f"cannot write to '{to}': {error.strerror or error}") from error


def _check_place(to: Path, *, resume: bool) -> TrainingRecord | None:
    """The record of the student that is already there, if a training to resume has ended; otherwise None.

    Raises:
        BadInput: the folder holds something that this training does not continue.
    """
    if (
        resume
        and (finished := record.read(to)) is not None
        and any((to / name).is_file() for name in _CONFIGS)
    ):
        return finished
    if resume and not (to / _WORK).is_dir():
        raise BadInput(f"there is no training in '{to}' to resume: leave out --resume")
    if not resume and to.exists() and (not to.is_dir() or any(to.iterdir())):
        hint = ", or continue with --resume" if (to / _WORK).is_dir() else ""
        raise BadInput(f"'{to}' already exists: choose another folder{hint}")
    return None
