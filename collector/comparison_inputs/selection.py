"""Chooses runs by what a user names: runs, days, settings, devices, models, precisions and hardware."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Final

import msgspec

from collector.comparison_inputs.machine import machine_of
from collector.errors import BadInput
from collector.store.runs import LATEST, PREVIOUS, Run

_DAY_CHARS: Final = len("2026-01-31")
_LISTED: Final = 10


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that a command is about: those that match every field that is not empty.

    A field with several values is matched by any of them; `exclude` removes runs, whatever else matches.
    """

    runs: tuple[str, ...] = ()
    """Beginnings of ids of runs, or `latest` or `previous`."""
    since: str | None = None
    """The day, YYYY-MM-DD in UTC, from which on a run must have started by its device's clock."""
    settings: tuple[str, ...] = ()
    """Settings, such as `threads=4`, or options of the reader, such as `provider=CPUExecutionProvider`.
    Different names must all match."""
    exclude: tuple[str, ...] = ()
    """Beginnings of ids of runs to leave out."""
    devices: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Names or titles of models."""
    precisions: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    """Hardware classes or machine types."""

    @property
    def is_everything(self) -> bool:
        """Whether no run is left out."""
        return self == EVERYTHING

    def has_model(self, model: str) -> bool:
        """Return whether the choice of models, if there is one, includes this one."""
        return not self.models or model.casefold() in _folded(self.models)

    def not_excluded(self, runs: Sequence[Run]) -> list[Run]:
        """Return all runs but those that `exclude` names.

        Raises:
            BadInput: it names no run, or several by one beginning.
        """
        left_out = _runs_named(self.exclude, runs)
        return [run for run in runs if run.stream not in left_out]

    def of(self, runs: Sequence[Run]) -> list[Run]:
        """Return the runs that are selected, in the same order.

        Raises:
            BadInput: a value matches no run at all, or the values together match none.
        """
        if self.is_everything:
            return list(runs)
        kept = list(runs)
        for what, wanted, values in (
            ("device", self.devices, _device),
            ("model", self.models, _model),
            ("precision", self.precisions, _precision),
            ("hardware", self.hardware, _hardware),
        ):
            if wanted:
                chosen = _known(what, wanted, {value for run in runs for value in values(run)})
                kept = [run for run in kept if chosen.intersection(_folded(values(run)))]
        for name, texts in _by_name(self.settings).items():
            of_runs = {value for run in runs if (value := _setting(run, name)) is not None}
            if not of_runs:
                names = {known for run in runs for known in _settings(run)}
                raise BadInput(f"there is no setting {name!r}{_nearest(name, names)}")
            chosen = _known(f"run with {name}", texts, of_runs)
            kept = [run for run in kept if str(_setting(run, name)).casefold() in chosen]
        if self.runs:
            named = _runs_named(self.runs, runs)
            kept = [run for run in kept if run.stream in named]
        if self.since is not None:
            day = _day(self.since)
            kept = [run for run in kept if run.started_at[:_DAY_CHARS] >= day]
        left_out = _runs_named(self.exclude, runs)
        kept = [run for run in kept if run.stream not in left_out]
        if not kept:
            raise BadInput("no run matches all of what was selected; `collector runs` lists the runs")
        return kept


EVERYTHING: Final = Selection()


def _device(run: Run) -> Collection[str]:
    return (run.device_id,)


def _model(run: Run) -> Collection[str]:
    return (run.bundle.model, run.bundle.title)


def _precision(run: Run) -> Collection[str]:
    return (run.bundle.precision,)


def _hardware(run: Run) -> Collection[str]:
    return (run.device.hardware_class, *machine_of(run.device))


def _folded(values: Iterable[str]) -> set[str]:
    return {value.casefold() for value in values}


def _known(what: str, wanted: Iterable[str], known: Collection[str]) -> set[str]:
    """Return the wanted values in lower case, all of which must be known."""
    folded = _folded(known)
    for value in wanted:
        if value.casefold() not in folded:
            raise BadInput(f"there is no {what} {value!r}{_nearest(value, known)}")
    return _folded(wanted)


def _nearest(value: str, known: Collection[str]) -> str:
    by_folded = {name.casefold(): name for name in sorted(known)}
    close = get_close_matches(value.casefold(), by_folded, n=1)
    if close:
        return f"; the nearest is {by_folded[close[0]]!r}"
    listed = sorted(known)[:_LISTED]
    return f"; there are {', '.join(map(repr, listed))}" if listed else ": no run has been received yet"


def _by_name(settings: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or not value:
            raise BadInput(f"{setting!r} is not a setting such as 'threads=4'")
        found.setdefault(name, []).append(value)
    return found


def _settings(run: Run) -> dict[str, str]:
    values = msgspec.to_builtins(run.settings)
    options = values.pop("options", {})
    return {name: _written(value) for name, value in {**values, **options}.items()}


def _setting(run: Run, name: str) -> str | None:
    return _settings(run).get(name)


def _written(value: object) -> str:
    return "none" if value is None else str(value)


def _runs_named(beginnings: Iterable[str], runs: Sequence[Run]) -> set[int]:
    """Return the streams of the runs whose ids have one of these beginnings."""
    chosen: set[int] = set()
    for beginning in beginnings:
        if beginning in {LATEST, PREVIOUS}:
            found = _latest(runs) if beginning == LATEST else _previous(runs)
        else:
            found = [run for run in runs if beginning and run.run_id.startswith(beginning)]
        if not found:
            near = get_close_matches(beginning, {run.run_id[: len(beginning)] for run in runs}, n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise BadInput(f"there is no run {beginning!r}{hint}; `collector runs` lists the runs")
        if len(found) > 1:
            raise BadInput(
                f"several runs begin with {beginning!r}, such as {found[0].run_id} and {found[1].run_id}"
            )
        chosen.add(found[0].stream)
    return chosen


def _latest(runs: Sequence[Run]) -> list[Run]:
    return [max(runs, key=lambda run: run.stream)] if runs else []


def _previous(runs: Sequence[Run]) -> list[Run]:
    """Return the last run before the latest one that measured the same; none if there is none."""
    return [
        run
        for latest in _latest(runs)
        for run in _latest([run for run in runs if run.stream < latest.stream and _alike(run, latest)])
    ]


def _alike(run: Run, other: Run) -> bool:
    def measured(run: Run) -> tuple[str, ...]:
        bundle = run.bundle
        return run.device_id, bundle.model, bundle.precision, run.questions_sha256, run.settings.scenario

    return measured(run) == measured(other)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadInput(f"{text!r} is not a day such as 2026-01-31") from None
