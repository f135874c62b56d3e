"""How it was measured, in words."""

from typing import Final

from collector.findings.comparison import Comparison
from collector.report.page import Chapter, Heading, Section, Table, cells

METHOD: Final = (
    "Each model is a folder with an ONNX graph, a tokeniser and a manifest, known by the SHA-256 of its "
    "bytes. A worker process on the device loads it, answers one question cold, warms up and then answers "
    "one question after the other (MLPerf's SingleStream). It holds no socket and no database; what its "
    "parent did meanwhile is marked on the question concerned.",
    "A context that is longer than the window is read in overlapping windows, and the best span of all is "
    "the answer. The settings are those of the Hugging Face question-answering pipeline, unless the "
    "provenance below says otherwise.",
    "The device knows no gold answers. It sends every answer with its times to the collector, which stores "
    "each once, scores it, and derives everything in this report from the rows.",
)

METRICS: Final = (
    (
        "EM, F1",
        "Exact Match and token F1 of the official SQuAD v1.1 script: best over the gold answers, mean over "
        "the questions, in percent. An error counts as wrong.",
    ),
    (
        "BERTScore F1",
        "Similarity of the answer's and the gold answer's token vectors, best over the gold answers, mean "
        "over the questions. Raw unless its name says rescaled: unrelated texts then score well above 0.",
    ),
    (
        "time",
        "Tokenise, infer and decode of one question. p50, p90 and p99 are nearest-rank percentiles of all "
        "times that count: a disturbed or throttled answer does not, and is counted.",
    ),
    (
        "speed-up",
        "Median time of the baseline's fp32 over that of the model, on the same hardware and the questions "
        "that both answered; its interval is a paired bootstrap over questions.",
    ),
    ("energy", "Joules of the device's own meter over a run, by the answers given. Idle power is in it."),
    ("95 %", "Every interval covers 95 %. Two rows whose intervals overlap may still differ: see the tests."),
)


def method(comparison: Comparison) -> Chapter:
    """Methodology, metrics, and how "best for" is found."""
    metrics = Table(
        "Metrics",
        (Heading("metric", number=False), Heading("meaning", number=False)),
        tuple(cells(name, meaning) for name, meaning in METRICS),
        names=1,
    )
    scorer = (
        ("BERTScore was not computed.",)
        if comparison.bertscore is None
        else (f"BERTScore by {comparison.bertscore.hash}.",)
    )
    return Chapter(
        "method",
        "How it was measured",
        (Section("Methodology", METHOD), Section("Metrics", scorer, (metrics,))),
    )
