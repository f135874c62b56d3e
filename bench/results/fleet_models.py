"""The models of a made-up fleet: how large, how slow and how wrong each of them is there."""

from typing import Final, NamedTuple

_TEACHER: Final = "made-up reader"


class FleetModel(NamedTuple):
    """One model of a made-up fleet."""

    title: str
    parameters: int
    """In millions."""
    ms: float
    """Median time for a question on the first device, in fp32."""
    wrong: float = 0.05
    """Share of the questions that the model answers wrong, besides those that are hard for all models."""
    source: str = "made up"
    """Where its weights come from, as its manifest says."""
    distillation: str = "made up"


MODELS: Final = {
    "bert-large": FleetModel("bert-large", 335, 335.0),
    "distilbert": FleetModel("distilbert", 66, 66.0),
    "tinybert-6l": FleetModel("tinybert-6l", 67, 67.0),
    "minilm-l12": FleetModel("minilm-l12", 33, 33.0),
    "minilm-l6": FleetModel("minilm-l6", 22, 22.0),
}
"""The models of a fleet, if nothing else is asked for."""

FAMILY: Final = {
    "bert-large": FleetModel("BERT-Large", 335, 900.0, distillation="teacher"),
    "distilbert": FleetModel("DistilBERT", 66, 130.0),
    "minilm-l6": FleetModel("MiniLM-L6", 22, 34.0, 0.05, source=_TEACHER),
    "minilm-l6-l3": FleetModel(
        "MiniLM-L6-L3", 17, 17.0, 0.16, distillation=f"distilled from {_TEACHER} by tinybert, soft; made up"
    ),
    "minilm-l6-l2": FleetModel(
        "MiniLM-L6-L2", 15, 11.5, 0.4, distillation=f"distilled from {_TEACHER} by tinybert, soft; made up"
    ),
}
"""The models of the demo: a reader with two students, and two models that have random weights there."""
RANDOM: Final = ("bert-large", "distilbert")
"""The models of `FAMILY` that have random weights in the demo."""
KNOWN: Final = {**MODELS, "mobilebert": FleetModel("mobilebert", 25, 90.0)}
"""The models of a fleet that can be asked for by name."""
