"""A card for each model on each machine: one page in Markdown, with the Hub's metadata at its head."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from collector.display.markdown_text import markdown_table, markdown_text
from collector.display.numbers import decimals
from collector.findings.comparison import Comparison, Provenance, Questions, Row, name_of, place_key
from collector.report.chapters.provenance import (
    chosen_settings,
    devices_text,
    runs_text,
    trained_on,
    versions_text,
)
from collector.report.columns import BY_KEY
from collector.report.names import full_name, such, with_distinct_titles
from collector.report.page import DASH, mark
from collector.report.papers.file_names import file_name, unique_names
from collector.report.papers.model_index import Known, model_index
from collector.report.papers.yaml_text import yaml_text
from collector.report.shared_labels import LabelTexts
from commandline.counted import counted
from commandline.disk import public_mode, write_whole

_NUMBERS: Final = (
    ("exact_match", "Exact Match, %", "exact_match_interval"),
    ("f1", "F1, %", "f1_interval"),
    ("bertscore_f1", "BERTScore F1", "bertscore_f1_interval"),
    ("p50_ms", "p50 time per question, ms", "p50_interval"),
    ("p90_ms", "p90 time per question, ms", "p90_interval"),
    ("p99_ms", "p99 time per question, ms", "p99_interval"),
    ("questions_per_second", "Questions per second, one after the other", None),
    ("speed_up", "Speed-up", "speed_up_interval"),
    ("joules_per_question", "Energy per question, J", None),
    ("load_ms", "Time to load, ms", None),
    ("peak_rss_bytes", "Peak memory, MB", None),
    ("size_bytes", "Size of the bundle, MB", None),
    ("temperature_celsius", "Highest temperature, °C", None),
    ("throttled", "Answers while throttled", None),
)
"""The columns of the report that a card has, its name of each, and the column with the interval."""
_FIRST_MS: Final = "Time of the first question, ms"


def write_cards(
    comparison: Comparison, folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write a card for each measured row to `MODEL--MACHINE--QUESTIONS.md`; return their paths.

    A file of that name is replaced; other files in the folder stay.

    Args:
        comparison: what to show.
        folder: the folder to write to; it is made if it does not exist.
        progress: called with how many cards are written and how many there are.

    Raises:
        OSError: a file or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cards = Cards(comparison)
    paths = [folder / f"{name}.md" for name in cards.names()]
    for number, (row, path) in enumerate(zip(cards.rows, paths, strict=True)):
        if progress is not None:
            progress(number, len(paths))
        write_whole(path, cards.card(row).encode(), public_mode())
    return paths


class Cards:
    """The cards of a comparison.

    Attributes:
        rows: the measured rows, whose titles are distinct.
    """

    def __init__(self, comparison: Comparison) -> None:
        comparison = with_distinct_titles(comparison)
        self.rows = [row for row in comparison.rows if row.runs]
        self._known = Known(comparison)
        self._labels = LabelTexts(comparison)
        self._written_on = comparison.generated_at[:10]

    def names(self) -> list[str]:
        """Return a name for the file of each row's card, without its ending."""
        return unique_names(
            (
                file_name(full_name(row.title, row.precision), row.machine, row.questions),
                "\n".join(msgspec.structs.astuple(name_of(row))),
            )
            for row in self.rows
        )

    def card(self, row: Row) -> str:
        """Write the card of a row: numbers with intervals, settings, machine and digests."""
        source = self._known.sources.get(name_of(row))
        head = {"pipeline_tag": "question-answering", "library_name": "onnx"}
        lines = [
            "---",
            *yaml_text({**head, "model-index": model_index([row], self._known)}).splitlines(),
            "---",
            f"# {markdown_text(full_name(row.title, row.precision))} on {markdown_text(row.machine)}",
            "",
            markdown_text(self._in_brief(row)),
            "",
            "## Results",
            *_results(row, self._known.baselines.get(place_key(row))),
        ]
        if source is not None:
            lines += ["## Settings and machine", "", *_facts(_machine(source))]
            lines += ["## Model and digests", "", *_facts(_model(row, source))]
        lines += ["## Questions", "", *_facts(_questions(row, self._known.files.get(row.questions_sha256)))]
        return "\n".join(lines).rstrip() + "\n"

    def _in_brief(self, row: Row) -> str:
        partial = " No run is complete." if row.partial else ""
        labels = self._labels.of(row)
        best = f" Best for: {labels}." if labels else ""
        return (
            f"Measured by distilbench on {counted(row.devices, 'device')} in {counted(row.runs, 'run')}, "
            f"with {row.answered:,} of {counted(row.selected, 'question')} answered.{partial}{best} "
            f"Written on {self._written_on}."
        )


def _results(row: Row, baseline: str | None) -> Iterator[str]:
    """Write the table of numbers, as the report writes them, and the notes on them."""
    notes: dict[str, int] = {}
    rows = []
    for key, title, interval in _NUMBERS:
        marks = [mark(notes.setdefault(note, len(notes) + 1)) for note in row.notes.get(key, ())]
        value = BY_KEY[key].text(row)
        if value is None and not marks:
            continue
        over = f" over {baseline}" if key == "speed_up" and baseline is not None else ""
        around = None if interval is None else BY_KEY[interval].text(row)
        rows.append((title + over, (value or DASH) + " ".join(marks), around or DASH))
        if key == "load_ms" and row.first_ms is not None:
            rows.append((_FIRST_MS, decimals(row.first_ms, 1) or DASH, DASH))
    yield ""
    yield from markdown_table(("", "value", "95 %"), (False, True, True), rows)
    yield ""
    if row.drawn is not None:
        yield from (markdown_text(f"Intervals of accuracy are {such([row.drawn])}."), "")
    for note, number in notes.items():
        yield from (f"{mark(number)} {markdown_text(note)}", "")


def _facts(facts: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    known = [(name, value) for name, value in facts if value]
    yield from markdown_table(("", ""), (False, False), known)
    yield ""


def _machine(source: Provenance) -> Sequence[tuple[str, str | None]]:
    return (
        ("settings", chosen_settings(source) or "the defaults"),
        ("board", source.device_model),
        ("processor", " ".join((source.cpu_model, *source.cpu_flags))),
        ("versions", versions_text(source.versions)),
        ("devices", devices_text(source)),
        ("runs", runs_text(source)),
    )


def _model(row: Row, source: Provenance) -> Sequence[tuple[str, str | None]]:
    return (
        ("parameters", None if row.parameters is None else f"{row.parameters:,}"),
        ("layers", None if row.layers is None else str(row.layers)),
        ("distillation", row.distillation),
        ("weights", f"{row.weights_origin}: {source.weights_source}"),
        ("revision", source.weights_revision),
        ("licence", source.licence or "not stated"),
        ("trained on", trained_on(source)),
        ("bundle sha256", source.bundle_sha256),
        ("model.onnx sha256", source.model_sha256),
        ("built by", versions_text(source.tools)),
    )


def _questions(row: Row, file: Questions | None) -> Sequence[tuple[str, str | None]]:
    size = (
        ()
        if file is None
        else (
            ("questions", f"{file.questions:,}"),
            ("articles", f"{file.articles:,}"),
            ("words per context", decimals(file.context_words, 1)),
        )
    )
    return (("file", row.questions), *size, ("sha256", row.questions_sha256))
