"""The chapters on trends: what changed over time on all devices, then a chart of each trend by device."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from collector.display.numbers import decimals
from collector.display.trend_text import HOW_TESTED, time_change, verdict_on_time
from collector.findings.trend import Trend
from collector.report.charts.over_time import is_marked, marked_change, over_time
from collector.report.names import full_name
from collector.report.page import Chapter, Column, Section, Table, table_of
from commandline.counted import counted

MOST_CHARTS: Final = 120
"""A page has no more charts than this, so that it stays a few megabytes large."""
_MOST_ROWS: Final = 20
"""With more trends than this, the first table has only those with the newest changes, and all are folded."""
MEANINGS: Final = {
    "run": "The first characters of the run's id, as `collector runs` lists it.",
    "started at": "When the run started, by the device's clock.",
    "questions": "Questions answered without error.",
    "p50 ms": "Median time to tokenise, infer and decode one question, in milliseconds.",
    "p50 95 %": "95 % interval of p50.",
    "change": "Change since the run above of the geometric mean of the times of the questions of both.",
    "95 %": "95 % interval of the change.",
    "verdict": "Slower or faster if the change is more than chance, adjusted for the number of runs (Holm).",
    "since first": "Change since the first run of the geometric mean of the times of the questions of both.",
    "F1 %": "Token F1 of the official SQuAD v1.1 script, in percent.",
    "F1 change": "Change of F1 in points since the run above.",
    "what changed": "What else differs from the run above; it may be the cause of a change.",
    "newest p50 ms": "p50 of the newest run.",
    "first to last": "Whether the change since the first run is more than chance.",
    "more than chance": "The newest change since the run before that is more than chance.",
}
"""What the columns mean, by their headings."""

_WORDS: Final = (
    "Each trend is of the complete single-stream runs of a model and precision on a device, with the same "
    f"questions and settings. {HOW_TESTED}",
    "The interval of a median is for questions like these. The test compares the times of the same "
    "questions, so a change can be more than chance although the intervals overlap.",
)


def trend_chapters(trends: Sequence[Trend]) -> tuple[Chapter, ...]:
    """Lay trends out: a table of all, then a chapter for each device with a chart per trend.

    Only a trend of at least two commands has a chart. If there are more than `MOST_CHARTS`, those with a
    change that is more than chance come first, then those with the most runs.
    """
    names = _names(trends)
    able = [number for number, trend in enumerate(trends) if _over_commands(trend)]
    urgent = sorted(able, key=lambda n: (-sum(map(is_marked, trends[n].points)), -len(trends[n].points)))
    drawn = sorted(urgent[:MOST_CHARTS])
    words = (*_WORDS, *_not_drawn(len(trends) - len(able), len(able) - len(drawn)))
    marked = sum(any(map(is_marked, trend.points)) for trend in trends)
    said = (
        f"{marked} of {counted(len(trends), 'trend')} {'has' if marked == 1 else 'have'} a change that is "
        "more than chance."
    )
    together: dict[str, list[int]] = {}
    for number in drawn:
        together.setdefault(trends[number].device_id, []).append(number)
    return (
        Chapter("trends", "What changed", (Section("", (said, *words), tuple(_overviews(trends))),)),
        *(
            _of_device(f"device-{place}", [(trends[n], names[n]) for n in numbers])
            for place, numbers in enumerate(together.values(), 1)
        ),
    )


def _overviews(trends: Sequence[Trend]) -> Iterator[Table]:
    if len(trends) <= _MOST_ROWS:
        yield _overview("Trends", trends)
        return
    changed = [
        (max(point.started_at for point in trend.points if is_marked(point)), -number)
        for number, trend in enumerate(trends)
        if any(map(is_marked, trend.points))
    ]
    newest = [trends[-number] for _, number in sorted(changed, reverse=True)[:_MOST_ROWS]]
    yield _overview(f"The newest changes: {len(newest)} of {counted(len(changed), 'trend')}", newest)
    yield _overview(f"All {len(trends):,} trends", trends)._replace(folded=True)


def _overview(title: str, trends: Sequence[Trend]) -> Table:
    columns: tuple[Column[Trend], ...] = (
        Column("device", lambda t: t.device_id, number=False),
        Column("model", lambda t: full_name(t.title, t.precision), number=False),
        Column("newest p50 ms", lambda t: decimals(t.points[-1].p50_ms, 1)),
        Column("since first", lambda t: time_change(t.points[-1].since_first)),
        Column("first to last", lambda t: verdict_on_time(t.points[-1].since_first), number=False),
        Column(
            "more than chance",
            _newest_change,
            number=False,
        ),
        Column("runs", lambda t: f"{len(t.points):,}"),
        Column("from", lambda t: t.points[0].started_at[:10], number=False),
        Column("to", lambda t: t.points[-1].started_at[:10], number=False),
        Column("question file", lambda t: t.questions, number=False),
        Column("settings", lambda t: t.settings, number=False),
    )
    return table_of(title, columns, trends)


def _newest_change(trend: Trend) -> str | None:
    marked = [point for point in trend.points if is_marked(point)]
    if not marked:
        return None
    earlier = f"; {counted(len(marked) - 1, 'earlier change')}" if len(marked) > 1 else ""
    return marked_change(marked[-1]) + earlier


def _of_device(anchor: str, found: Sequence[tuple[Trend, str]]) -> Chapter:
    first, _ = found[0]
    marked = sum(any(map(is_marked, trend.points)) for trend, _ in found)
    return Chapter(
        anchor,
        f"{first.device_id} ({first.machine})",
        (Section("", (), (), tuple(over_time(trend, name) for trend, name in found)),),
        f"{counted(len(found), 'trend')}, "
        + (f"{marked} with a change that is more than chance" if marked else "no change is more than chance"),
    )


def _over_commands(trend: Trend) -> bool:
    """Return whether the runs of a trend were measured by more than one command."""
    return any(point.since_last is not None and not point.since_last.rounds for point in trend.points)


def _not_drawn(too_few: int, too_many: int) -> list[str]:
    said = []
    if too_few:
        said.append(
            f"{counted(too_few, 'trend has', 'trends have')} no chart: all runs are of one command, so "
            "nothing is known over time."
        )
    if too_many:
        said.append(
            f"{counted(too_many, 'more trend has', 'more trends have')} no chart, because a page has at most "
            f"{MOST_CHARTS}. Choose runs with --device or --model to see them."
        )
    return said


def _names(trends: Sequence[Trend]) -> list[str]:
    """Name each trend, with its model's id and its settings if another one has the same name."""
    short = [f"{full_name(t.title, t.precision)} on {t.device_id}, {t.questions}" for t in trends]
    count = Counter(short)
    return [
        name if count[name] == 1 else f"{name} ({trend.model}, {trend.settings})"
        for name, trend in zip(short, trends, strict=True)
    ]
