"""The metadata `model-index`, by which the Hugging Face Hub shows evaluation results of a model.

Its fields are those of `huggingface_hub.EvalResult`: a model has results, each for a task and a data set, and
a result has metrics. A metric's `args` have room for the interval, the machine and the settings. Numbers are
rounded as in the report's tables.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from collector.display.untrusted_text import plain
from collector.findings.between_rows import RowName
from collector.findings.comparison import Comparison, Provenance, Questions, Row, name_of, place_key
from collector.report.chapters.provenance import chosen_settings, versions_text
from collector.report.names import Names, full_name, with_distinct_titles
from collector.report.papers.yaml_text import yaml_text

SQUAD: Final = "rajpurkar/squad"
"""The Hub's name of SQuAD v1.1."""
_IS_SQUAD: Final = re.compile(r"squad|\b(?:dev|train)-v1\.1", re.IGNORECASE)
_SPLITS: Final = {10_570: "validation", 87_599: "train"}
"""The splits of SQuAD v1.1 by their number of questions (Rajpurkar et al., 2016)."""
_NOT_IN_NAME: Final = re.compile(r"[^a-z0-9.]+")


class _Metric(NamedTuple):
    """One number of a row."""

    field: str
    """The field of `Row`; an interval has the same name."""
    type: str
    """The Hub's name of a metric, where it has one."""
    name: str
    digits: int
    scale: float = 1.0
    """What the field is multiplied by."""
    accuracy: bool = False


_METRICS: Final = (
    _Metric("exact_match", "exact_match", "Exact Match, %", 1, accuracy=True),
    _Metric("f1", "f1", "F1, %", 1, accuracy=True),
    _Metric("bertscore_f1", "bertscore", "BERTScore F1", 3, accuracy=True),
    _Metric("p50_ms", "latency", "p50 time per question, ms", 1),
    _Metric("p90_ms", "latency", "p90 time per question, ms", 1),
    _Metric("p99_ms", "latency", "p99 time per question, ms", 1),
    _Metric("speed_up", "speedup", "Speed-up", 2),
    _Metric("joules_per_question", "energy", "Energy per question, J", 2),
    _Metric("peak_rss_bytes", "memory", "Peak memory, MB", 1, scale=1e-6),
)


def as_model_index(comparison: Comparison) -> str:
    """Write the rows of a comparison as YAML for the head of a model card, one model per model and precision.

    A row has no accuracy if the report withholds it, such as that of random weights.
    """
    comparison = with_distinct_titles(comparison)
    return yaml_text({"model-index": model_index(comparison.rows, Known(comparison))})


class Known:
    """What is known about the rows of a comparison besides their numbers, each found without a search.

    Attributes:
        sources: the provenance of each row.
        files: the question files, by their digest.
        baselines: the name of the baseline of each place, such as `BERT-Large fp32`, by `place_key`.
    """

    def __init__(self, comparison: Comparison) -> None:
        names = Names(comparison)
        self.sources = sources_of(comparison)
        self.files = {file.questions_sha256: file for file in comparison.questions}
        self.baselines = {place_key(found.place): names.row(found.row) for found in comparison.baselines}


def model_index(rows: Iterable[Row], known: Known) -> list[dict[str, Any]]:
    """Make the value of `model-index`.

    Args:
        rows: the rows to include, whose titles are distinct.
        known: what is known about them.
    """
    models: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        name = plain(full_name(row.title, row.precision))
        models.setdefault(name, {}).setdefault(row.questions_sha256, []).append(row)
    return [
        {
            "name": name,
            "results": [
                {
                    "task": {"type": "question-answering", "name": "Question Answering"},
                    "dataset": _dataset(together[0], known.files.get(digest)),
                    "metrics": [metric for row in together for metric in _metrics(row, known)],
                }
                for digest, together in by_file.items()
                if any(getattr(row, metric.field) is not None for row in together for metric in _METRICS)
            ],
        }
        for name, by_file in models.items()
    ]


def sources_of(comparison: Comparison) -> dict[RowName, Provenance]:
    """Return the provenance of each row; that of a run under load comes after that of the row it names."""
    return {found.row: found for found in reversed(comparison.provenance)}


def _dataset(row: Row, file: Questions | None) -> dict[str, Any]:
    """Describe a question file; one is called SQuAD v1.1 by its number of questions or by its name."""
    name = plain(row.questions)
    count = None if file is None else file.questions
    split = _SPLITS.get(count or 0)
    is_squad = split is not None or _IS_SQUAD.search(name) is not None
    found = {
        "type": SQUAD if is_squad else _NOT_IN_NAME.sub("-", name.casefold()).strip("-") or "questions",
        "name": f"SQuAD v1.1, {name}" if is_squad else name,
        "config": name,
        "split": split,
        "args": {
            "format": "SQuAD v1.1",
            "sha256": row.questions_sha256,
            **({} if file is None else {"questions": file.questions, "articles": file.articles}),
        },
    }
    return {key: value for key, value in found.items() if value is not None}


def _metrics(row: Row, known: Known) -> Iterator[dict[str, Any]]:
    settings = _settings(row, known.sources.get(name_of(row)))
    baseline = known.baselines.get(place_key(row))
    for metric in _METRICS:
        value = getattr(row, metric.field)
        args = dict(settings)
        if metric.field == "speed_up":
            if baseline is None or baseline == full_name(row.title, row.precision):
                continue
            args |= {"over": plain(baseline), "questions": row.speed_up_questions}
        if value is None:
            continue
        if metric.accuracy and row.taken_over is not None:
            args["taken_over_from"] = plain(row.taken_over.machine)
            args["questions"] = row.taken_over.questions
            args["asked_here"] = row.taken_over.asked
        interval = row.intervals.get(metric.field)
        if interval is not None:
            args["interval_95_percent"] = [_rounded(metric, end) for end in interval]
            args["interval_is_for"] = _scope(row, metric)
        yield {
            "type": metric.type,
            "value": _rounded(metric, value),
            "name": f"{metric.name}, on {plain(row.machine)}",
            "args": {key: found for key, found in args.items() if found not in (None, "")},
        }


def _rounded(metric: _Metric, value: float) -> float:
    """Round as the report's tables do, which write the digits of the exact value."""
    return float(f"{value * metric.scale:.{metric.digits}f}")


def _scope(row: Row, metric: _Metric) -> str | None:
    """Write what an interval is about."""
    if metric.accuracy:
        return None if row.drawn is None else f"{row.drawn.unit}s like these {row.drawn.units}"
    return row.speed_up_of if metric.field == "speed_up" else row.times_of


def _settings(row: Row, found: Provenance | None) -> dict[str, Any]:
    """Describe the machine and how the row was measured."""
    described: dict[str, Any] = {"machine": plain(row.machine), "questions": row.answered}
    if found is not None:
        described |= {
            "processor": plain(found.cpu_model),
            "settings": plain(chosen_settings(found) or "the defaults"),
            "versions": plain(versions_text(found.versions) or ""),
            "bundle_sha256": found.bundle_sha256,
            "weights": row.weights_origin,
        }
    return described
