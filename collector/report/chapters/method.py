"""The chapter that explains how everything was measured."""

from typing import Final

from collector.findings.comparison import Comparison
from collector.report.columns import COLUMNS
from collector.report.definitions import DEFINITIONS
from collector.report.page import Chapter, Heading, Section, Table, cells

COLUMNS_TITLE: Final = "What the columns mean"
"""The title of the section that defines the columns of a machine's table."""

METHOD: Final = (
    "Each model is a bundle: a folder with an ONNX graph, a tokeniser and a manifest, identified by the "
    "SHA-256 of its bytes. A worker process on the device loads the bundle, answers a first question cold, "
    "warms up, and then answers one question after the other (MLPerf's SingleStream). The worker uses no "
    "network and no database. If its parent process was busy during a question, that question is marked.",
    "A context that is longer than the model's window is read in overlapping windows; the best span of all "
    "windows is the answer. The settings are those of the Hugging Face question-answering pipeline, unless "
    "the provenance below lists others.",
    "The device has no gold answers. It sends every answer with its times to the collector. The collector "
    "stores each answer once, scores it, and computes everything in this report from what it stored.",
)

METRICS: Final = (
    (
        "EM, F1",
        "Exact Match and token F1 of the official SQuAD v1.1 script, in percent. A question counts with the "
        "best score over its gold answers, and the row shows the mean over the questions. An error counts as "
        "a wrong answer.",
    ),
    (
        "BERTScore F1",
        "Similarity between the token vectors of the answer and of the gold answer. A question counts with "
        "the best score over its gold answers, and the row shows the mean over the questions. It is "
        "rescaled only if its name says so; otherwise, unrelated texts score well above 0.",
    ),
    (
        "time",
        "Time to tokenise, infer and decode one question. p50, p90 and p99 are nearest-rank percentiles. "
        "Errors, and answers during which the device was disturbed or throttled, are left out and counted "
        "separately. An interval is for questions like these on the device as it was in the rounds of its "
        "measurement, on these devices if there are two to four, and on any device of the type from five on.",
    ),
    (
        "speed-up",
        "Time of the baseline in fp32 divided by that of the model: the geometric mean over the devices and "
        "the questions that both answered in the same rounds. Where the baseline was not measured, the "
        "largest fp32 model measured there stands in. Its interval is by Student's t over rounds, and from "
        "five devices on over devices. Rows measured by different commands are told apart only by as much as "
        "repeated measurements differ.",
    ),
    (
        "energy",
        "Last reading of the device's own meter, which starts with the first question, divided by the number "
        "of answers up to it. Idle power is included.",
    ),
    (
        "95 %",
        "Every interval covers 95 %. Those of EM, F1 and BERTScore are for articles like these, since the "
        "questions of one article are alike. A number whose interval holds a bound is not decided. Two rows "
        "whose intervals overlap may still differ significantly: the tests under "
        '"Do the differences hold?" decide.',
    ),
)


def method(comparison: Comparison) -> Chapter:
    """Explain the methodology and the metrics, and name the BERTScore model."""
    metrics = Table(
        "Metrics",
        (Heading("metric", number=False), Heading("meaning", number=False)),
        tuple(cells(name, meaning) for name, meaning in METRICS),
        names=1,
    )
    shown = {column.heading for column in COLUMNS if any(column.text(row) for row in comparison.rows)}
    columns = Table(
        "Columns",
        (Heading("column", number=False), Heading("meaning", number=False)),
        tuple(cells(name, meaning) for name, meaning in DEFINITIONS.items() if name in shown),
        names=1,
    )
    scorer = (
        ("BERTScore was not computed.",)
        if comparison.bertscore is None
        else (f"BERTScore was computed with {comparison.bertscore.hash}.",)
    )
    return Chapter(
        "method",
        "How it was measured",
        (
            Section("Methodology", METHOD),
            Section("Metrics", scorer, (metrics,)),
            *([Section(COLUMNS_TITLE, tables=(columns,))] if columns.rows else []),
        ),
    )
