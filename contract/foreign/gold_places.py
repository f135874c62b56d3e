"""Where gold answers are in their contexts, and what to say about those that are not where a file says.

The official SQuAD script compares texts and never reads `answer_start`, and many data sets have some that are
wrong: counted in bytes, from 1, or of a context that was cleaned later.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

from contract.codec import printable

_QUOTED_CHARS: Final = 80
_FORMS: Final = ("NFC", "NFD", "NFKC", "NFKD")


class Misplaced(NamedTuple):
    """A gold answer that is not where its file says."""

    question_id: str
    text: str
    stated: int
    found: int | None
    """Where in the context the text is, nearest to the stated place; None if it is nowhere."""
    form: str | None = None
    """The Unicode form of the context there, if it has the text in another form than the gold answer."""

    @property
    def other_form(self) -> bool:
        """Whether the text is in the context, but only in another Unicode form."""
        return self.form is not None


def nearest(context: str, text: str, stated: int) -> int | None:
    """The place of a text in its context that is nearest to the stated one; None if it is nowhere."""
    start = min(max(stated, 0), len(context))
    before, after = context.rfind(text, 0, start + len(text)), context.find(text, start)
    places = [place for place in (after, before) if place >= 0]
    return min(places, key=lambda place: abs(place - start), default=None)


def in_another_form(context: str, text: str, stated: int) -> tuple[int, str] | None:
    """Where a context has a text in another Unicode form, nearest to the stated place, and that form."""
    if context.isascii() and text.isascii():
        return None
    parts, places = [], []
    for place, cluster in _clusters(context):
        part = unicodedata.normalize("NFKD", cluster)
        parts.append(part)
        places += [place] * len(part)
    wanted, whole = unicodedata.normalize("NFKD", text), "".join(parts)
    if not wanted:
        return None
    near = next((i for i, place in enumerate(places) if place >= stated), len(places))
    if (found := nearest(whole, wanted, near)) is None:
        return None
    first, last = places[found], places[found + len(wanted) - 1]
    end = next((place for place in places[found + len(wanted) :] if place > last), len(context))
    shown = context[first:end]
    form = next((form for form in _FORMS if unicodedata.is_normalized(form, shown)), "mixed forms")
    return first, form


def remarks(misplaced: Sequence[Misplaced]) -> list[str]:
    """Sentences about gold answers that are not where their file says, with a count and an example each."""
    moved = [gold for gold in misplaced if gold.found is not None and not gold.other_form]
    formed = [gold for gold in misplaced if gold.other_form]
    absent = [gold for gold in misplaced if gold.found is None]
    said = []
    if moved:
        said.append(
            f"{_are(moved, 'not where the file says')}, such as {_shown(moved[0])} at character "
            f"{moved[0].found}, not {moved[0].stated}: the place that was found is used"
        )
    if formed:
        said.append(
            f"{_are(formed, 'in the context only in another Unicode form')}, such as {_shown(formed[0])} at "
            f"character {formed[0].found}, where the context has {formed[0].form}: an answer copied from the "
            "context does not equal it, so write both in one form"
        )
    if absent:
        said.append(
            f"{_are(absent, 'not in the context')}, such as {_shown(absent[0])}: an answer copied from the "
            "context cannot equal it"
        )
    return said


def _clusters(text: str) -> list[tuple[int, str]]:
    """The characters of a text, each with the marks that combine with it, and their places."""
    starts = [place for place, char in enumerate(text) if not unicodedata.combining(char)]
    if not starts or starts[0]:
        starts.insert(0, 0)
    return [
        (start, text[start:end]) for start, end in zip(starts, [*starts[1:], len(text)], strict=True) if text
    ]


def _are(golds: Sequence[Misplaced], what: str) -> str:
    return f"1 gold answer is {what}" if len(golds) == 1 else f"{len(golds)} gold answers are {what}"


def _shown(gold: Misplaced) -> str:
    text = printable(gold.text)
    return (
        f"'{text[:_QUOTED_CHARS]}{'…' if len(text) > _QUOTED_CHARS else ''}' of question {gold.question_id!r}"
    )
