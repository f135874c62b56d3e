"""Writes the model card of a student: its shape, its training, and its learning curve."""

import json
from pathlib import Path
from typing import Final

from commandline.counted import counted
from export.models.training_record import FILE, Evaluation, TrainingRecord

LOG: Final = "training-log.jsonl"
_CURVE: Final = "curve.svg"
_WIDTH, _HEIGHT, _MARGIN = 640, 240, 40


def write(record: TrainingRecord, folder: Path) -> None:
    """Write `README.md`, with front matter in the hub's format, and `curve.svg`."""
    (folder / _CURVE).write_text(_curve(record), encoding="utf-8")
    (folder / "README.md").write_text(_card(record), encoding="utf-8")


def _card(record: TrainingRecord) -> str:
    licence = [] if record.teacher.licence is None else [f"license: {json.dumps(record.teacher.licence)}"]
    # The teacher may have taught what it remembers of its own training articles.
    articles = dict.fromkeys((*record.data.articles, *record.teacher.training_articles))
    front = [
        "---",
        *licence,
        f"base_model: {json.dumps(record.adapter_base or record.teacher.source)}",
        f"datasets: {json.dumps(list(record.data.files))}",
        f"training_articles: {json.dumps(list(articles))}",
        "pipeline_tag: question-answering",
        f"library_name: {'peft' if record.adapter_rank else 'transformers'}",
        "---",
    ]
    rows = "\n".join(f"| {name} | {value} |" for name, value in _facts(record))
    scores = "\n".join(_evaluation(evaluation) for evaluation in record.evaluations)
    text = f"""
# {record.title}

{record.distillation[:1].upper()}{record.distillation[1:]}. Trained by
`export-models distill`; [the record]({FILE}) and [the log]({LOG}) contain all numbers.

| | |
|---|---|
{rows}

## How it learned

![Exact match and F1 on the held-out questions, over the steps]({_CURVE})

| step | EM % | F1 % | mean loss | seconds |
|--:|--:|--:|--:|--:|
{scores}

The weights are those of step {record.best.step}, which has the best F1 of this table. Because they were
chosen by that F1, it is a little too high. The answers are the most likely spans of at most 15 tokens; the
agent decodes answers a little differently.
"""
    return "\n".join(front) + text


def _facts(record: TrainingRecord) -> list[tuple[str, str]]:
    shape, settings, data = record.architecture, record.settings, record.data
    weights = ", ".join(f"{name} {weight:g}" for name, weight in record.losses.items())
    return [
        (
            "shape",
            f"{shape.family}, {counted(shape.layers, 'layer')}, {counted(shape.hidden_size, 'channel')}, "
            f"{counted(shape.attention_heads, 'head')}, {record.parameters / 1e6:.1f}M parameters",
        ),
        ("held-out questions", f"EM {record.best.exact_match:.1f}, F1 {record.best.f1:.1f}"),
        ("the teacher on the same questions", record.teacher_scores),
        ("teacher", f"{record.teacher.source} ({record.teacher.origin}, {record.teacher.revision})"),
        ("started from", record.begun_from),
        *_adapter(record),
        ("losses", f"{weights}; temperature {record.temperature:g}"),
        (
            "learned from",
            f"{counted(data.questions, 'question')} in {counted(data.windows, 'window')}, "
            f"{data.answered} with a gold answer",
        ),
        ("held out", f"{counted(data.held_out_questions, 'question')}: {data.held_out}"),
        (
            "steps",
            f"{record.evaluations[-1].step} of {settings.steps}"
            f"{', stopped early' if record.stopped_early else ''}, batch {settings.batch}, learning rate "
            f"{settings.learning_rate:g}, seed {settings.seed}",
        ),
        (
            "trained on",
            f"{record.device}, {record.precision}, {counted(record.threads, 'thread')}, "
            f"{record.evaluations[-1].seconds / 60:.1f} minutes",
        ),
    ]


def _adapter(record: TrainingRecord) -> list[tuple[str, str]]:
    if record.adapter_rank is None:
        return []
    return [("adapter", f"LoRA of rank {record.adapter_rank} on {record.adapter_base}, in float16")]


def _evaluation(evaluation: Evaluation) -> str:
    loss = "-" if evaluation.loss is None else f"{evaluation.loss:.3f}"
    return (
        f"| {evaluation.step} | {evaluation.exact_match:.1f} | {evaluation.f1:.1f} | {loss} "
        f"| {evaluation.seconds:.0f} |"
    )


def _curve(record: TrainingRecord) -> str:
    """The learning curve as SVG: EM and F1 over steps, and the teacher's F1 as a line."""
    steps = max(record.evaluations[-1].step, 1)
    highest = max([e.f1 for e in record.evaluations] + [record.teacher_f1, 1.0])
    top = min(100, 10 * (int(highest / 10) + 1))

    def at(step: int, percent: float) -> str:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * step / steps
        y = _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * percent / top
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f"<title>EM and F1 of {_escaped(record.title)} on held-out questions</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<polyline points="{at(0, top)} {at(0, 0)} {at(steps, 0)}" fill="none" stroke="#888"/>',
    ]
    for name, colour, values in (
        ("F1", "#0b6e99", [e.f1 for e in record.evaluations]),
        ("EM", "#b35900", [e.exact_match for e in record.evaluations]),
    ):
        points = " ".join(at(e.step, v) for e, v in zip(record.evaluations, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, _, y = at(record.evaluations[-1].step, values[-1]).partition(",")
        parts.append(f'<text x="{float(x) + 4}" y="{y}" fill="{colour}">{name} {values[-1]:.1f}</text>')
    ends = f"{at(0, record.teacher_f1)} {at(steps, record.teacher_f1)}"
    parts.append(f'<polyline points="{ends}" stroke="#888" stroke-dasharray="4"/>')
    x, _, y = at(0, record.teacher_f1).partition(",")
    label = f"teacher&#8217;s F1 {record.teacher_f1:.1f}"
    parts.append(f'<text x="{float(x) + 4}" y="{float(y) - 4}" fill="#666">{label}</text>')
    parts.append(f'<text x="{_MARGIN}" y="{_HEIGHT - 16}" fill="#666">0</text>')
    end = (
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 16}" fill="#666" text-anchor="end">'
        f"{counted(steps, 'step')}</text>"
    )
    return "\n".join([*parts, end, "</svg>"]) + "\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
