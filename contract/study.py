"""The study that distilbench follows, "Advances in Model Distillation": its summary, as it is printed there.

It measured on the 87,599 questions of SQuAD v1.1 train with the defaults of the Hugging Face pipeline.
`collector` prints its numbers beside the measured ones, `export` beside the models that it builds.
"""

from typing import Final

import msgspec


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the study's summary; the study rounds all its numbers and calls most of them approximate."""

    title: str
    parameters_millions: int
    layers: int
    """Printed as 6 for MiniLM, though 33 million parameters are those of 12 layers of 384."""
    exact_match: float
    """Percent, as is `f1`."""
    f1: float
    speed_up: float
    """Over BERT-Large."""
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
"""By `bundle.Manifest.model` of the model that the study measured."""

METHODS: Final = {
    "bert-large": "teacher",
    "distilbert": "logits, hidden states and attention; task-agnostic",
    "minilm-l12": "self-attention and value matrices; task-specific",
}
"""How each model was distilled, in the words of the study."""
