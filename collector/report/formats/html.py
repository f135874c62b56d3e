"""The report as one HTML file.

The first screen has the verdict, the figures across machines and the best models. Every other chapter is
folded.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.chapters.short_answer import requirement_lines, short_answer
from collector.report.chapters.verdict import verdict
from collector.report.definitions import DEFINITIONS
from collector.report.formats.html_page import HtmlPage, html_file
from collector.report.layout import Page, lay_out
from collector.report.names import with_distinct_titles
from collector.report.page import Chapter, Figure, Section, Table
from commandline.counted import counted


class _Choice(NamedTuple):
    """Some figures of which the page shows one, and a control to choose another."""

    title: str
    what: str
    """What the control chooses."""
    figures: tuple[tuple[str, Figure, str], ...]
    """The figures, each with its name in the control and the id of its element."""


class _Front(NamedTuple):
    """The first screen."""

    verdict: tuple[str, ...]
    words: tuple[str, ...]
    requirement: str
    """The requirement; empty without one."""
    required: tuple[str, ...]
    """What meets the requirement, in a line for all machines with the same answer."""
    choices: tuple[_Choice, ...]
    best: tuple[Section, ...]
    """The best models: for several machines first in few lines, then on each of them."""
    sections: tuple[Section, ...]
    """The rest of the first chapter."""


def as_html(comparison: Comparison) -> str:
    """Write a comparison as a self-contained page."""
    page = lay_out(comparison)
    front = _front(with_distinct_titles(comparison), page)
    return html_file(
        HtmlPage(
            title=_title(comparison),
            heading="Report" if front is None else "Which model on which hardware",
            in_brief=_in_brief(comparison),
            front=front,
            chapters=[chapter for chapter in page.chapters if chapter.anchor != "answer"],
            remarks=page.remarks,
            made_by=f"Made by distilbench from collector {comparison.collector_id}.",
            meanings=DEFINITIONS,
        )
    )


def _title(comparison: Comparison) -> str:
    machines = dict.fromkeys(row.machine for row in comparison.rows if row.runs)
    of = plain(next(iter(machines))) if len(machines) == 1 else counted(len(machines), "machine type")
    return f"distilbench report: {of}, {comparison.generated_at[:10]}" if machines else "distilbench report"


def _in_brief(comparison: Comparison) -> str:
    rows, runs = len(comparison.rows), len(comparison.scenarios)
    kinds = len({row.machine for row in comparison.rows if row.runs})
    where = f" on {counted(kinds, 'kind')} of hardware" if kinds else ""
    used = dict.fromkeys(found.row.model for found in comparison.baselines) or (comparison.baseline,)
    return " · ".join(
        (
            f"{comparison.generated_at[:16].replace('T', ' ')} UTC",
            *([counted(rows, "row") + where] if rows else []),
            *([counted(runs, "run") + " under load"] if runs else []),
            f"baseline {', '.join(used)} fp32",
        )
    )


def _front(comparison: Comparison, page: Page) -> _Front | None:
    """Lay out the first screen; None if there are no rows."""
    if not page.chapters or page.chapters[0].anchor != "answer":
        return None
    best, *rest = page.chapters[0].sections
    said, wanted = verdict(comparison), comparison.requirement
    choices = (
        _Choice("Machines and models", "Show", tuple(_maps(best))),
        _Choice("Accuracy against time", "Machine", tuple(_first_figures(page.chapters))),
    )
    each = best._replace(title="", words=(), figures=(), tables=tuple(map(_on_each_machine, best.tables)))
    several = sum(chapter.name == "hardware" for chapter in page.chapters) > 1
    short = short_answer(comparison)._replace(words=())
    return _Front(
        said,
        tuple(words for words in best.words if words not in said),
        "" if wanted is None else wanted.expression,
        () if wanted is None else tuple(requirement_lines(comparison, wanted)),
        tuple(choice for choice in choices if choice.figures),
        (short, each) if several else (each,),
        tuple(rest),
    )


def _maps(best: Section) -> Iterator[tuple[str, Figure, str]]:
    for number, figure in enumerate(best.figures):
        yield figure.title, figure, f"map-{number}"


def _first_figures(chapters: Sequence[Chapter]) -> Sequence[tuple[str, Figure, str]]:
    """Find the figures of the machines' chapters that are on the first screen."""
    return [
        (chapter.title, figure, f"first-{chapter.anchor}")
        for chapter in chapters
        if chapter.name == "hardware"
        for section in chapter.sections
        for figure in section.figures
        if figure.first
    ]


def _on_each_machine(table: Table) -> Table:
    several = len({row[0].text for row in table.rows}) > 1
    return table._replace(title="Best for what, on each machine", folded=several)
