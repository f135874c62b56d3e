"""Makes the comparison: one row a hardware class, question file, model and precision."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import Final, NamedTuple

import msgspec

from collector.accuracy import GoldSets
from collector.comparison import BertScoreModel, Comparison, Row
from collector.measured import Measured, measured
from collector.recommendation import Candidate, best_for
from collector.runs import Run, all_runs, headless
from collector.statistics import SpeedUp, percentile, speed_up
from collector.store import Store, utc_now

BASELINE: Final = "bert-large"
BASELINE_PRECISION: Final = "fp32"
_PRECISIONS: Final = ("fp32", "int8", "int4")

NO_TIME: Final = "no answer has a time that counts"
NO_PEAK: Final = "the device does not tell the memory of a process"
NOT_SCORED: Final = "not every answer is scored: collector score"
NO_BERTSCORE: Final = "BERTScore was not computed: collector score --bertscore-model MODEL --layers N"
TOO_FEW: Final = "needs two models with an F1 on this hardware and these questions"

Notes = dict[str, list[str]]


class _Group(NamedTuple):
    """Equal runs, and what they measured."""

    runs: list[Run]
    left_out: int
    """Older runs of the same row, with another bundle or other settings."""
    values: Measured

    @property
    def place(self) -> tuple[str, str]:
        return self.runs[0].device.hardware_class, self.runs[0].questions_sha256

    def is_of(self, model: str, precision: str) -> bool:
        return (self.runs[0].bundle.model, self.runs[0].bundle.precision) == (model, precision)


def compare(store: Store, baseline: str = BASELINE) -> Comparison:
    """Compare all runs in a database.

    Runs of one hardware class, question file, model and precision are one row if they also agree in bundle
    and settings. Where they do not, the row is that of the newest ones, and says how many it leaves out.

    Args:
        store: the database; read in one view of it.
        baseline: the model whose fp32 runs are the measure of speed-up.
    """
    with store.reading():
        sets = GoldSets(store)
        runs = all_runs(store)
        scorer = next(store.rows("SELECT * FROM bertscore_models ORDER BY last_used_at DESC LIMIT 1"), None)
        number = None if scorer is None else scorer["scorer"]
        groups = [
            _Group(newest, left_out, measured(store, newest, sets.of(newest[0]), number))
            for newest, left_out in _newest_variants(runs)
        ]
        rows = [_row(group, groups, sets, baseline, scorer is not None) for group in groups]
        return Comparison(
            generated_at=utc_now(),
            collector_id=store.collector_id,
            baseline=baseline,
            bertscore=None
            if scorer is None
            else BertScoreModel(model=scorer["model"], layers=scorer["layers"], hash=scorer["hash"]),
            rows=tuple(_with_recommendations(sorted(rows, key=_order))),
            distributions=(),
            traces=(),
            differences=(),
            gates=(),
            divergences=(),
            splits=(),
            requirement=None,
            questions=(),
            provenance=(),
            remarks=tuple(_remarks(store)),
        )


def _newest_variants(runs: Iterable[Run]) -> Iterable[tuple[list[Run], int]]:
    by_row: dict[tuple[str, ...], dict[tuple[object, ...], list[Run]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in runs:
        key = (run.device.hardware_class, run.questions_sha256, run.bundle.model, run.bundle.precision)
        s = run.settings
        options = tuple(sorted(s.options.items()))
        windows = (s.max_tokens, s.stride_tokens, s.max_answer_tokens)
        variant = (run.bundle_sha256, s.scenario, s.decoding, windows, s.threads, options)
        by_row[key][variant].append(run)
    for variants in by_row.values():
        newest = max(variants.values(), key=lambda group: group[-1].stream)
        yield newest, sum(map(len, variants.values())) - len(newest)


def _row(group: _Group, groups: Sequence[_Group], sets: GoldSets, baseline: str, has_bertscore: bool) -> Row:
    run, values = group.runs[0], group.values
    notes: dict[str, list[str]] = defaultdict(list)
    faster = _speed_up(group, groups, baseline)
    peak = max((r.peak_rss_bytes or 0 for r in group.runs), default=0) or None
    if group.left_out:
        notes["title"].append(
            f"{group.left_out} earlier runs with another bundle or other settings are left out"
        )
    _note_progress(notes, group)
    _note_accuracy(notes, values, sets.withheld(run), has_bertscore)
    if not values.times_ns:
        notes["p50_ms"].append(NO_TIME)
        notes["p90_ms"].append(NO_TIME)
    elif values.marked:
        notes["p50_ms"].append(f"{values.marked} answers were disturbed, and their times are left out")
    if faster is None:
        notes["speed_up"].append(_no_baseline(baseline) if values.times_ns else NO_TIME)
    if peak is None:
        notes["peak_rss_bytes"].append(NO_PEAK)
    return Row(
        hardware_class=run.device.hardware_class,
        questions=run.questions_name,
        questions_sha256=run.questions_sha256,
        model=run.bundle.model,
        title=run.bundle.title,
        precision=run.bundle.precision,
        distillation=run.bundle.distillation,
        parameters=run.bundle.parameters,
        layers=run.bundle.architecture.layers,
        size_bytes=sum(entry.bytes for entry in run.bundle.files.values()),
        weights_origin=run.bundle.weights.origin,
        runs=len(group.runs),
        devices=len({r.device_id for r in group.runs}),
        answered=values.answered,
        selected=max(r.questions_selected for r in group.runs),
        errors=values.errors,
        exact_match=_percent(values.exact_match),
        f1=_percent(values.f1),
        bertscore_f1=values.bertscore_f1,
        p50_ms=_milliseconds(values.times_ns, 0.5),
        p90_ms=_milliseconds(values.times_ns, 0.9),
        p99_ms=_milliseconds(values.times_ns, 0.99),
        questions_per_second=1e9 / fmean(values.times_ns) if values.times_ns else None,
        timed=len(values.times_ns),
        untimed=values.marked + values.errors,
        marks={},
        speed_up=None if faster is None else faster.ratio,
        speed_up_questions=0 if faster is None else faster.questions,
        f1_per_ms=None,
        joules_per_question=None,
        joules_per_correct=None,
        energy_source=None,
        load_ms=None,
        first_ms=None,
        peak_rss_bytes=peak,
        temperature_celsius=None,
        pareto=False,
        best_for=(),
        intervals={},
        notes={field: tuple(sentences) for field, sentences in notes.items()},
    )


def _note_progress(notes: Notes, group: _Group) -> None:
    for run in group.runs:
        if run.state == "complete":
            continue
        answered = f"run {run.run_id[:8]} of {run.device_id} is {run.state} after {run.answers} answers"
        notes["answered"].append(f"{answered}: {run.reason}" if run.reason else answered)
    if group.values.errors:
        notes["answered"].append(
            f"{group.values.errors} answers are errors; they count as wrong and have no time"
        )


def _note_accuracy(notes: Notes, values: Measured, withheld: str | None, has_bertscore: bool) -> None:
    not_scored = NOT_SCORED if values.answered else "nothing was answered"
    if values.exact_match is None:
        notes["exact_match"].append(withheld or not_scored)
        notes["f1"].append(withheld or not_scored)
    if values.bertscore_f1 is None:
        notes["bertscore_f1"].append(withheld or (not_scored if has_bertscore else NO_BERTSCORE))


def _speed_up(group: _Group, groups: Sequence[_Group], baseline: str) -> SpeedUp | None:
    for other in groups:
        if other.place == group.place and other.is_of(baseline, BASELINE_PRECISION):
            return speed_up(other.values.question_ns, group.values.question_ns)
    return None


def _no_baseline(baseline: str) -> str:
    return f"{baseline} fp32 has no time on this hardware for any of these questions"


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _milliseconds(times_ns: list[int], fraction: float) -> float | None:
    return percentile(times_ns, fraction) / 1e6 if times_ns else None


def _order(row: Row) -> tuple[object, ...]:
    precision = _PRECISIONS.index(row.precision)
    return row.hardware_class, row.questions, -(row.parameters or 0), row.model, precision


def _with_recommendations(rows: Sequence[Row]) -> Iterator[Row]:
    by_place: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_place[row.hardware_class, row.questions_sha256].append(row)
    for together in by_place.values():
        scored = [row for row in together if row.f1 is not None and row.p50_ms is not None]
        labels = best_for([Candidate(row.f1 or 0.0, row.p50_ms or 0.0) for row in scored])
        found = dict(zip(map(id, scored), labels, strict=True))
        for row in together:
            notes = row.notes if any(labels) else {**row.notes, "best_for": (TOO_FEW,)}
            yield msgspec.structs.replace(row, best_for=found.get(id(row), ()), notes=notes)


def _remarks(store: Store) -> Iterator[str]:
    waiting = headless(store)
    if waiting:
        yield f"{waiting} runs are left out, of which the first record has not come yet"
    rejected = store.value("SELECT sum(times) FROM rejected")
    if rejected:
        yield f"{rejected} messages were rejected: collector rejected"
