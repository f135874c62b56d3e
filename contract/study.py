"""The summary table of "Advances in Model Distillation", the study that distilbench follows.

The study measured on the 87,599 questions of SQuAD v1.1 train with the defaults of the Hugging Face pipeline.
`collector` prints the study's numbers beside the measured ones, `export` beside the models that it builds.
"""

from typing import Final

import msgspec


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the study's summary; the study rounds all its numbers and calls most of them approximate."""

    title: str
    parameters_millions: int
    layers: int
    """The study prints 6 for MiniLM, although 33 million parameters belong to 12 layers of width 384."""
    exact_match: float
    """In percent."""
    f1: float
    """In percent."""
    speed_up: float
    """Speed-up over BERT-Large."""
    best_for: str


STUDY: Final = {
    "bert-large": Study(
        title="BERT-Large",
        parameters_millions=340,
        layers=24,
        exact_match=83.2,
        f1=92.8,
        speed_up=1.0,
        best_for="high accuracy",
    ),
    "distilbert": Study(
        title="DistilBERT",
        parameters_millions=66,
        layers=6,
        exact_match=77.4,
        f1=89.0,
        speed_up=5.8,
        best_for="real time, low resource",
    ),
    "minilm-l12": Study(
        title="MiniLM",
        parameters_millions=33,
        layers=6,
        exact_match=79.4,
        f1=90.7,
        speed_up=4.6,
        best_for="balance",
    ),
}
"""The rows of the summary, by `bundle.Manifest.model` of the measured model."""

METHODS: Final = {
    "bert-large": "teacher",
    "distilbert": "logits, hidden states and attention; task-agnostic",
    "minilm-l12": "self-attention and value matrices; task-specific",
}
"""How each model was distilled, in the study's words, by `bundle.Manifest.model`."""
