"""The poster: the study's one page with the numbers of this report beside its own, on A3, ready to print.

It shows one machine and one question file, since numbers are comparable only there. It is an HTML file that
loads nothing; a browser prints it on one page.
"""

import base64
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from collector.display.untrusted_text import plain
from collector.findings.between_rows import Place
from collector.findings.comparison import Comparison, Row, SampleQuestion, name_of, place_key, place_of
from collector.report.chapters.provenance import versions_text
from collector.report.chapters.questions import characteristics, question_words
from collector.report.chapters.study import summary
from collector.report.charts.colours import ModelColours
from collector.report.names import Names, listed, such, with_distinct_titles
from collector.report.page import Table
from collector.report.papers.model_index import sources_of
from collector.report.papers.plot import pictures
from collector.report.papers.poster_figures import poster_figures
from commandline.counted import counted

MOST_ROWS: Final = 12
"""As many rows fit on the page; the poster says how many more there are."""
_CONTEXT: Final = 420
"""Characters of the sample's context that fit on the page."""
_TEXT: Final = 160
"""Characters of another text of the sample."""
_ANSWERS: Final = 6
"""Lines of answers to the sample."""


def as_poster(comparison: Comparison) -> str:
    """Write the poster of the machine and question file with the most rows.

    Raises:
        NotDrawable: a figure cannot be drawn.
    """
    from jinja2 import Environment, StrictUndefined

    comparison = with_distinct_titles(comparison)
    place = _place(comparison)
    rows = [] if place is None else [row for row in comparison.rows if place_of(row) == place]
    shown = rows[:MOST_ROWS]
    file = next(
        (f for f in comparison.questions if place and f.questions_sha256 == place.questions_sha256), None
    )
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template.filters["plain"] = plain
    text = files("collector.report.papers").joinpath("poster.html.j2").read_text("utf-8")
    sample = None if file is None or file.sample is None else file.sample
    return template.from_string(text).render(
        place=place,
        in_brief=_in_brief(comparison, rows),
        best=_best(comparison, shown),
        figures=[
            (figure, base64.b64encode(pictures(figure)["svg"]).decode())
            for figure in poster_figures(shown, ModelColours(comparison))
        ],
        summary=summary(comparison, shown),
        intervals=such(row.drawn for row in shown),
        file=None if file is None else _turned(characteristics((file,)), question_words((file,))),
        sample=sample,
        context="" if sample is None else _around(sample),
        answers=[] if sample is None else _answers(comparison, sample, shown),
        left_out=_left_out(comparison, rows, shown),
        methods=_methods(comparison, shown),
        cut=_cut,
    )


def _place(comparison: Comparison) -> Place | None:
    """Choose the machine and question file with the most rows, among equals one that answered the sample."""
    places = [place_of(row) for row in comparison.rows]
    samples = [file.sample for file in comparison.questions if file.sample is not None]
    answered = {place_key(answer.row) for sample in samples for answer in sample.answers}
    return max(
        dict.fromkeys(places),
        key=lambda place: (places.count(place), place_key(place) in answered),
        default=None,
    )


def _in_brief(comparison: Comparison, rows: Sequence[Row]) -> str:
    if not rows:
        return "No run has been received yet."
    return (
        f"{counted(len(rows), 'row')} of models and precisions with up to "
        f"{max(row.answered for row in rows):,} questions each, measured end to end on the device; "
        f"{comparison.generated_at[:10]}"
    )


def _best(comparison: Comparison, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Write for each label which rows have it, or share it because nothing tells them apart."""
    names, shown = Names(comparison), {name_of(row) for row in rows}
    found = []
    for one in comparison.labels:
        if shown.issuperset(one.rows):
            models = listed([names.row(row) for row in one.rows])
            found.append((one.label, models + (" (not told apart)" if len(one.rows) > 1 else "")))
    return found


def _turned(*tables: Table) -> list[tuple[str, str]]:
    """Return the headings and the cells of tables with one row as pairs, without the name of the row."""
    return [
        (heading.text, cell.text)
        for table in tables
        for heading, cell in zip(table.headings[1:], table.rows[0][1:], strict=True)
    ]


def _around(sample: SampleQuestion) -> str:
    """Cut the part out of the sample's context that contains the first gold answer."""
    at = sample.context.find(sample.golds[0]) if sample.golds else 0
    first = max(0, min(max(at, 0) - _CONTEXT // 2, len(sample.context) - _CONTEXT))
    part = sample.context[first : first + _CONTEXT]
    return f"{'… ' * (first > 0)}{part}{' …' * (first + _CONTEXT < len(sample.context))}"


def _answers(
    comparison: Comparison, sample: SampleQuestion, rows: Sequence[Row]
) -> list[tuple[str, str, str]]:
    """Write the answers to the sample, each with the models that gave it."""
    names, shown = Names(comparison), {name_of(row) for row in rows}
    verdicts = {True: "exact match", False: "no match", None: "not scored"}
    models: dict[tuple[str, str], list[str]] = {}
    for answer in sample.answers:
        if answer.row in shown:
            key = answer.text or "(empty)", verdicts[answer.exact_match]
            models.setdefault(key, []).append(names.row(answer.row))
    return [(_cut(text), verdict, listed(given)) for (text, verdict), given in models.items()][:_ANSWERS]


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]} …"


def _left_out(comparison: Comparison, rows: Sequence[Row], shown: Sequence[Row]) -> list[str]:
    sentences = []
    if more := len(rows) - len(shown):
        sentences.append(f"Not shown: {counted(more, 'more row')} of this machine.")
    elsewhere = len(comparison.rows) - len(rows)
    if elsewhere:
        sentences.append(
            f"The report also has {counted(elsewhere, 'row')} of other machines or question files; "
            "--hardware and --device choose what the poster shows."
        )
    return sentences


def _methods(comparison: Comparison, rows: Sequence[Row]) -> list[str]:
    """Write processor, versions, settings and digests in a few lines."""
    sources = sources_of(comparison)
    found = [sources[name_of(row)] for row in rows if name_of(row) in sources]
    if not found:
        return []
    names = Names(comparison)
    digests = ", ".join(f"{names.row(source.row)} {source.bundle_sha256[:12]}" for source in found)
    versions = versions_text(found[0].versions)
    return [
        f"Processor: {found[0].cpu_model}. {versions}." if versions else f"Processor: {found[0].cpu_model}.",
        f"Bundles (sha256): {digests}.",
    ]
