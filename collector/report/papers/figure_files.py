"""Writes the charts of a report into a folder, each as SVG and as PNG."""

from collections.abc import Callable
from pathlib import Path

from collector.findings.comparison import Comparison
from collector.report.layout import lay_out
from collector.report.page import Figure
from collector.report.papers.file_names import file_name, unique_names
from collector.report.papers.plot import pictures
from commandline.disk import public_mode, write_whole


def write_figures(
    comparison: Comparison, folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write each chart of a report to `CHAPTER--TITLE.svg` and `CHAPTER--TITLE.png`; return their paths.

    A file of that name is replaced; other files in the folder stay.

    Args:
        comparison: what to show.
        folder: the folder to write to; it is made if it does not exist.
        progress: called with how many charts are written and how many there are.

    Raises:
        OSError: a file or the folder cannot be written.
    """
    charts = named_figures(comparison)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (name, chart) in enumerate(charts):
        if progress is not None:
            progress(number, len(charts))
        for form, picture in pictures(chart).items():
            path = folder / f"{name}.{form}"
            write_whole(path, picture, public_mode())
            written.append(path)
    return written


def named_figures(comparison: Comparison) -> list[tuple[str, Figure]]:
    """Return each chart of a report with a name that is unique and a file's."""
    found = [
        (chapter.title, figure)
        for chapter in lay_out(comparison).chapters
        for section in chapter.sections
        for figure in section.figures
    ]
    names = unique_names(
        (file_name(title, figure.title), f"{title}\n{figure.title}") for title, figure in found
    )
    return [(name, figure) for name, (_, figure) in zip(names, found, strict=True)]
