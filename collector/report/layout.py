"""The order of a report's chapters."""

from typing import NamedTuple

from collector.findings.comparison import Comparison
from collector.report.chapters.answer import answer
from collector.report.chapters.evidence import evidence
from collector.report.chapters.hardware import places
from collector.report.chapters.method import method
from collector.report.chapters.provenance import provenance
from collector.report.chapters.questions import questions
from collector.report.chapters.scenarios import scenarios
from collector.report.chapters.study import study
from collector.report.names import with_distinct_titles
from collector.report.page import Chapter


class Page(NamedTuple):
    """A comparison laid out in reading order."""

    chapters: tuple[Chapter, ...]
    remarks: tuple[str, ...]


def lay_out(comparison: Comparison) -> Page:
    """Lay a comparison out: the answer comes first, the evidence for it follows."""
    comparison = with_distinct_titles(comparison)
    if not comparison.rows and not comparison.scenarios:
        return Page((), ("no run has been received yet", *comparison.remarks))
    compared = (answer(comparison), *places(comparison)) if comparison.rows else ()
    chapters = (
        *compared,
        scenarios(comparison),
        evidence(comparison),
        study(comparison),
        questions(comparison),
        method(comparison),
        provenance(comparison),
    )
    return Page(tuple(chapter for chapter in chapters if chapter.sections), comparison.remarks)
