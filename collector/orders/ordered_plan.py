"""A plan's file as an order: names stand for what the hub has, and nothing else can be named."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from collector.errors import BadInput
from collector.orders.offered import Offer, OfferedBundle, OfferedQuestions
from commandline.clock import utc_now
from commandline.disk import decoded
from contract.codec import printable
from contract.config import MAX_CONFIG_BYTES
from contract.orders.order import MAX_ORDERED_RUNS, Order, OrderedRun
from contract.orders.plan import BUNDLES, CANARY, NAMES, QUESTIONS, RunValues, Timing, decode_schedule
from contract.questions import MOST_CANARY_BYTES, decode_canaries

_OPTIONS: Final = frozenset(name.replace("_", "-") for name in OrderedRun.__struct_fields__) - {
    BUNDLES,
    QUESTIONS,
}


class OrderedPlan(NamedTuple):
    """A plan whose names are resolved."""

    name: str
    """The name of its file."""
    bundles: dict[str, OfferedBundle]
    """By name at the hub."""
    questions: dict[str, OfferedQuestions]
    """By name at the hub."""
    runs: tuple[OrderedRun, ...]
    timing: Timing

    def order(self, *, now: bool = False) -> Order:
        """Return a new order for one device.

        Args:
            now: whether it replaces what the device measures.
        """
        return Order(
            id=uuid.uuid4().hex,
            created_at=utc_now(),
            now=now,
            bundles={name: bundle.sha256 for name, bundle in self.bundles.items()},
            questions={name: questions.file.sha256 for name, questions in self.questions.items()},
            runs=self.runs,
            rounds=self.timing.rounds,
            cool_down_minutes=self.timing.cool_down_minutes,
            cool_down_celsius=self.timing.cool_down_celsius,
            idle_celsius=self.timing.idle_celsius,
        )


def read_ordered_plan(path: Path, offer: Offer) -> OrderedPlan:
    """Read and check a plan as a whole.

    Args:
        path: the plan's file. A run's `canary` is the path of a file of canaries on this machine, relative to
            the plan's folder; the order holds what is in it.
        offer: what the hub has.

    Raises:
        BadInput: the plan cannot be read, or asks for what no device could carry out.
    """
    shown = f"'{printable(str(path))}'"
    schedule = decoded(
        path, MAX_CONFIG_BYTES + 1, "plan", lambda data: decode_schedule(data, _OPTIONS), BadInput
    )
    if schedule.timing.every_hours is not None:
        raise BadInput(f"{shown}: an order is carried out once: leave every-hours out")
    if len(schedule.runs) > MAX_ORDERED_RUNS:
        raise BadInput(
            f"{shown}: it has {len(schedule.runs)} runs in a round, and an order at most {MAX_ORDERED_RUNS}: "
            "make several plans of it"
        )
    plan = OrderedPlan(printable(path.name)[:200], {}, {}, (), schedule.timing)
    try:
        runs = tuple(_ordered(run, offer, plan, path.absolute().parent) for run in schedule.runs)
        plan = plan._replace(runs=runs)
        msgspec.convert(msgspec.to_builtins(plan.order()), Order)
    except BadInput as error:
        raise BadInput(f"{shown}: {error}") from None
    except msgspec.ValidationError as error:
        raise BadInput(f"{shown}: {printable(str(error))}") from None
    return plan


def _ordered(run: RunValues, offer: Offer, plan: OrderedPlan, folder: Path) -> OrderedRun:
    """One run of the plan; what it names is added to the plan's bundles and questions."""
    values: dict[str, Any] = {k.replace("-", "_"): value for k, value in run.items() if k not in NAMES}
    wanted = run[BUNDLES]
    assert isinstance(wanted, tuple)
    if isinstance(limit := run.get("limit"), str):
        raise BadInput(
            f"limit = {printable(limit)!r}: in an order, all bundles of a [[run]] are asked the same number "
            "of questions, such as limit = 300"
        )
    bundles = [offer.bundle(str(name)) for name in wanted]
    questions = offer.questions(str(run[QUESTIONS]))
    plan.bundles.update({bundle.name: bundle for bundle in bundles})
    plan.questions[questions.name] = questions
    if CANARY in run:
        values[CANARY] = _canaries(folder / str(run[CANARY]), questions)
    values |= {BUNDLES: [bundle.name for bundle in bundles], QUESTIONS: questions.name}
    try:
        return msgspec.convert(values, OrderedRun)
    except msgspec.ValidationError as error:
        raise BadInput(f"the run of {', '.join(values[BUNDLES])}: {printable(str(error))}") from None


def _canaries(path: Path, questions: OfferedQuestions) -> Sequence[str]:
    canaries = decoded(path, MOST_CANARY_BYTES, "canaries", decode_canaries, BadInput)
    known = {question.id for question in questions.file.questions}
    if canaries.questions_sha256 != questions.file.sha256 or not known.issuperset(canaries.question_ids):
        raise BadInput(
            f"the canaries '{printable(str(path))}' are of other questions than {questions.name!r}: write "
            "them for this file with collector canaries"
        )
    return canaries.question_ids
