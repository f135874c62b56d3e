"""Decides which runs stand for a row, and says how others differ from them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from collector.comparison_inputs.machine import Machine, machine_of, named
from collector.findings.scenario_run import COMPARED
from collector.store.runs import Run
from commandline.counted import counted
from commandline.standing import asked, choose, is_complete, variant

_SEVERAL: Final = 2


class Standing(NamedTuple):
    """The runs that stand for a row."""

    runs: tuple[Run, ...]
    machine: Machine
    also: tuple[str, ...] = ()
    """What else was measured of the row's name, one phrase per bundle, settings and state."""


def type_of(run: Run) -> Machine:
    """Return the machine type of a run's device."""
    return machine_of(run.device)


def types_of(runs: Iterable[Run]) -> Callable[[Run], Machine]:
    """Return a function from a run to its machine type, whose label names one type only.

    Machines of two hardware classes can have the same label. Each of them then also names its class, so that
    a reader can tell their rows apart.

    Args:
        runs: the runs among which a label must be unique.
    """
    classes: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        classes[type_of(run).label].add(run.device.hardware_class)

    def unique(run: Run) -> Machine:
        machine = type_of(run)
        if len(classes[machine.label]) < _SEVERAL:
            return machine
        return named(f"{machine.label} ({run.device.hardware_class})")

    return unique


def device_as_type(run: Run) -> Machine:
    """Return a machine type of which a run's device is the only unit."""
    return named(f"{run.device_id}: {machine_of(run.device).label}")


def standing(runs: Iterable[Run], machine: Callable[[Run], Machine]) -> Iterator[Standing]:
    """Find the rows of single-stream runs, each with the runs that stand for its name.

    `commandline.standing` has the rule.

    Args:
        runs: the runs; those of other scenarios are ignored.
        machine: the machine type of a run: as `types_of` or `device_as_type` determine it.
    """
    by_row: dict[tuple[str, ...], dict[tuple[object, ...], list[Run]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in runs:
        if run.settings.scenario != COMPARED:
            continue
        of_machine = run.device.hardware_class, machine(run).label
        key = (*of_machine, run.questions_sha256, run.bundle.model, run.bundle.precision)
        by_row[key][variant(run)].append(run)
    for variants in by_row.values():
        chosen = choose(variants.values())
        others = [run for of_one in variants.values() for run in of_one if run not in chosen]
        also = tuple(dict.fromkeys(also_measured(run, chosen[-1]) for run in reversed(others)))
        yield Standing(tuple(chosen), machine(chosen[-1]), also)


def also_measured(run: Run, instead: Run) -> str:
    """Write how a run that does not stand for its row differs from one that does."""
    answered = asked(run)
    questions = (
        counted(answered, "question")
        if is_complete(run)
        else f"{answered} of {counted(run.questions_selected, 'question')}, {run.state}"
    )
    return ", ".join((*unlike_settings(run, instead), questions))


def unlike_settings(run: Run, other: Run) -> tuple[str, ...]:
    """Write the bundle and the settings of a run in which it differs from another."""
    mine, its = _described(run), _described(other)
    return tuple(text for name, text in mine.items() if text != its.get(name)) + tuple(
        f"no {name}" for name in its if name not in mine
    )


def otherwise(run: Run, other: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write in which settings and versions two runs differ, except the bundle: those of each side."""
    mine, its = _circumstances(run), _circumstances(other)
    unlike = [name for name in {**mine, **its} if mine.get(name) != its.get(name)]
    absent = {name: f"no {name}" for name in unlike}
    return tuple({**absent, **mine}[name] for name in unlike), tuple(
        {**absent, **its}[name] for name in unlike
    )


def _circumstances(run: Run) -> dict[str, str]:
    versions = {name: f"{name} {version}" for name, version in run.device.versions.items()}
    return {name: text for name, text in {**_described(run), **versions}.items() if name != "bundle"}


def described_settings(run: Run) -> tuple[str, ...]:
    """Write the settings in which `variant` distinguishes runs, without the bundle."""
    return tuple(text for name, text in _described(run).items() if name != "bundle")


def reading(run: Run) -> tuple[str, ...]:
    """Write the decoding and the windows of a run, which accuracies must share to be compared."""
    described = _described(run)
    return tuple(described[name] for name in _READING)


_READING: Final = ("decoding", "windows", "answers")


def _described(run: Run) -> dict[str, str]:
    """Write everything in which `variant` distinguishes runs, by name."""
    s = run.settings
    return {
        "bundle": f"bundle {run.bundle_sha256[:8]}",
        "decoding": f"decoding {s.decoding}",
        "windows": f"windows of {s.max_tokens} tokens, stride {s.stride_tokens}",
        "answers": f"answers of at most {s.max_answer_tokens} tokens",
        "threads": counted(s.threads, "thread"),
        **{name: f"{name} {value}" for name, value in sorted(s.options.items())},
    }
