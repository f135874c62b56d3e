"""Chooses the baseline of each place: the fp32 row that speed-ups and differences are relative to."""

import difflib
from collections.abc import Sequence
from typing import Final, TypeVar

from collector.comparison_inputs.groups import Entrant, Group
from collector.errors import BadInput
from collector.findings.between_rows import PlaceBaseline

E = TypeVar("E", bound=Entrant)

BASELINE: Final = "bert-large"
"""The model that is the baseline if the user names none."""
REFERENCE_PRECISION: Final = "fp32"
_LIKENESS: Final = 0.4


class Baselines:
    """The baselines of one comparison.

    Where the chosen model has no fp32 times, the largest model that has some stands in.

    Args:
        groups: the measured rows.
        wanted: the name or the title of a model, in any case; None for `BASELINE`.

    Attributes:
        model: the name of the chosen model.
        title: its title; the name if it was not measured anywhere.

    Raises:
        BadInput: no row is of that model in fp32.
    """

    def __init__(self, groups: Sequence[Group], wanted: str | None) -> None:
        timed = [
            group
            for group in groups
            if group.name.precision == REFERENCE_PRECISION and group.measured.timed > 0
        ]
        self.model = BASELINE if wanted is None else _named(wanted, groups)
        titles = {group.name.model: group.run.bundle.title for group in groups}
        self.title = titles.get(self.model, self.model)
        self._by_place: dict[tuple[str, str, str], Group] = {}
        for group in timed:
            place = _place(group)
            known = self._by_place.get(place)
            if known is None or self._rank(group) > self._rank(known):
                self._by_place[place] = group

    def of(self, entrant: Entrant) -> Group | None:
        """Return the baseline of an entrant's place; None if no fp32 row has a time there.

        Imported predictions were not measured on any hardware, so any baseline of their questions will do;
        one of the chosen model comes first.
        """
        name = entrant.name
        if entrant.is_measured:
            return self._by_place.get(_place(entrant))
        found = [b for b in self._by_place.values() if b.name.questions_sha256 == name.questions_sha256]
        return next((b for b in found if not self.stands_in(b)), found[0] if found else None)

    def stands_in(self, group: Group) -> bool:
        """Whether a baseline is of another model than the chosen one."""
        return group.name.model != self.model

    def found(self) -> tuple[PlaceBaseline, ...]:
        """Return the baseline of each place that has one."""
        return tuple(
            PlaceBaseline(place=group.place, row=group.name, stands_in=self.stands_in(group))
            for group in self._by_place.values()
        )

    def _rank(self, group: Group) -> tuple[bool, int, str]:
        return not self.stands_in(group), group.run.bundle.parameters, group.name.model


def comparable(left: Entrant, right: Entrant) -> bool:
    """Return whether accuracies may be compared: only with the same decoding and windows."""
    return left.reading is None or right.reading is None or left.reading == right.reading


def reference(among: Sequence[E], entrant: Entrant, model: str) -> E | None:
    """Find the fp32 row of a model in the place of an entrant; on any hardware if it was not measured.

    Its accuracy may be compared with the entrant's only if they are `comparable`.
    """
    for other in among:
        same = (other.name.model, other.name.precision) == (model, REFERENCE_PRECISION)
        place = not entrant.is_measured or other.place == entrant.place
        if same and place and other.name.questions_sha256 == entrant.name.questions_sha256:
            return other
    return None


def _place(entrant: Entrant) -> tuple[str, str, str]:
    return entrant.name.hardware_class, entrant.name.machine, entrant.name.questions_sha256


def _named(wanted: str, groups: Sequence[Group]) -> str:
    """Find the model that has a name or a title, in fp32."""
    models = {
        group.name.model: group.run.bundle.title
        for group in groups
        if group.name.precision == REFERENCE_PRECISION
    }
    text = wanted.strip().lower()
    if wanted in models:
        return wanted
    alike = [model for model, title in models.items() if text in {model.lower(), title.lower()}]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise BadInput(f"several models are called {wanted!r}: name one of {', '.join(sorted(alike))}")
    if not models:
        raise BadInput(f"there is no baseline {wanted!r}: no model was measured in {REFERENCE_PRECISION}")
    near = _nearest(text, models)
    known = ", ".join(sorted(models))
    hint = f"did you mean {near!r}?" if near else f"the models measured in it are {known}"
    raise BadInput(f"no model {wanted!r} was measured in {REFERENCE_PRECISION}: {hint}")


def _nearest(text: str, models: dict[str, str]) -> str | None:
    names = {name.lower(): model for model, title in models.items() for name in (title, model)}
    begun = sorted(name for name in names if text and name.startswith(text))
    near = begun or difflib.get_close_matches(text, names, 1, _LIKENESS)
    return names[near[0]] if near else None
