"""The models that distilbench knows by name, as data.

Shapes are transformers configurations with every field that the size or the time of a model depends on.
Each published score is quoted with its source and its data set; none was measured here.
"""

import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contract.bundle import Architecture
from contract.study import STUDY, Study
from export.errors import BadInput


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A published score, in percent, as its source states it."""

    dataset: str
    exact_match: float | None = None
    f1: float
    source: str
    verified: bool = False
    """Whether the hub's own evaluator measured and signed it too; otherwise only its authors state it."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model: its shape, and the checkpoint that represents it on the hub."""

    name: str
    title: str
    config: dict[str, Any]
    """Arguments of the transformers configuration class of `model_type`."""
    parameters: int = 0
    """Parameters of the network with its question-answering head; 0 if they were not counted yet."""
    distillation: str
    """How the model was distilled; see `contract.bundle.Manifest.distillation`."""
    hub_id: str | None = None
    """Checkpoint with a trained question-answering head; None if none is known."""
    revision: str | None = None
    """Commit of `hub_id` to use; None for the latest of its main branch, which the manifest records."""
    base_id: str | None = None
    """Base model that a head or an adapter is trained on."""
    licence: str | None = None
    """SPDX licence identifier of `hub_id`, or of `base_id` if there is no `hub_id`; None if not stated."""
    training_data: str | None = None
    """Data that the head of `hub_id` was trained on."""
    training_articles: tuple[str, ...] = ()
    """Articles that it was trained on; see `contract.bundle.Weights.training_articles`."""
    published: Published | None = None
    study: Study | None = None
    """The study's results for this model; None if the study did not measure it."""
    note: str | None = None
    """What to know before choosing weights for it."""


_UNCASED: Final = {
    "vocab_size": 30_522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}
_BERT: Final = {"model_type": "bert", **_UNCASED}
_DISTILBERT: Final = {
    "model_type": "distilbert",
    "n_layers": 6,
    "dim": 768,
    "n_heads": 12,
    "hidden_dim": 3072,
    "max_position_embeddings": 512,
    "activation": "gelu",
}

MODELS: Final = (
    Model(
        name="bert-large",
        title="BERT-Large",
        config={
            **_BERT,
            "num_hidden_layers": 24,
            "hidden_size": 1024,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        },
        parameters=334_094_338,
        distillation="teacher",
        hub_id="google-bert/bert-large-uncased-whole-word-masking-finetuned-squad",
        base_id="google-bert/bert-large-uncased-whole-word-masking",
        licence="Apache-2.0",
        training_data="SQuAD v1.1 train",
        published=Published(dataset="SQuAD v1.1 dev", exact_match=86.9, f1=93.2, source="model card"),
        study=STUDY["bert-large"],
    ),
    Model(
        name="distilbert",
        title="DistilBERT",
        config={**_DISTILBERT, "vocab_size": 30_522},
        parameters=66_364_418,
        distillation="soft targets and hidden states of BERT-Base, then again on SQuAD",
        hub_id="distilbert/distilbert-base-uncased-distilled-squad",
        base_id="distilbert/distilbert-base-uncased",
        licence="Apache-2.0",
        training_data="SQuAD v1.1 train",
        published=Published(dataset="SQuAD v1.1 dev", f1=86.9, source="model card"),
        study=STUDY["distilbert"],
    ),
    Model(
        name="distilbert-cased",
        title="DistilBERT cased",
        config={**_DISTILBERT, "vocab_size": 28_996},
        parameters=65_192_450,
        distillation="soft targets and hidden states of BERT-Base cased, then again on SQuAD",
        hub_id="distilbert/distilbert-base-cased-distilled-squad",
        revision="564e9b582944a57a3e586bbb98fd6f0a4118db7f",
        base_id="distilbert/distilbert-base-cased",
        licence="Apache-2.0",
        training_data="SQuAD v1.1 train",
        published=Published(
            dataset="SQuAD v1.1 dev", exact_match=79.6, f1=87.0, source="model card", verified=True
        ),
    ),
    Model(
        name="minilm-l12",
        title="MiniLM-L12",
        config={
            **_BERT,
            "num_hidden_layers": 12,
            "hidden_size": 384,
            "num_attention_heads": 12,
            "intermediate_size": 1536,
        },
        parameters=33_212_930,
        distillation="self-attention and value relations of the teacher's last layer",
        hub_id="deepset/minilm-uncased-squad2",
        base_id="microsoft/MiniLM-L12-H384-uncased",
        licence="CC-BY-4.0",
        training_data="SQuAD 2.0 train",
        published=Published(dataset="SQuAD 2.0 dev", exact_match=76.1, f1=79.5, source="model card"),
        study=STUDY["minilm-l12"],
        note="a checkpoint trained on SQuAD v1.1 is haritzpuerto/MiniLM-L12-H384-uncased-squad (EM 77.6, F1 "
        "85.7, licence not stated); build it by its id",
    ),
    Model(
        name="minilm-l6",
        title="MiniLM-L6",
        config={
            **_BERT,
            "num_hidden_layers": 6,
            "hidden_size": 384,
            "num_attention_heads": 12,
            "intermediate_size": 1536,
        },
        parameters=22_566_146,
        distillation="every second layer of MiniLM-L12, trained further",
        base_id="nreimers/MiniLM-L6-H384-uncased",
        licence="MIT",
        note="no question-answering checkpoint is known: train one (`export-models distill`)",
    ),
    Model(
        name="tinybert-4l",
        title="TinyBERT-4L",
        config={
            **_BERT,
            "num_hidden_layers": 4,
            "hidden_size": 312,
            "num_attention_heads": 12,
            "intermediate_size": 1200,
        },
        parameters=14_253_218,
        distillation="embeddings, hidden states and attention of BERT-Base, layer by layer",
        base_id="huawei-noah/TinyBERT_General_4L_312D",
        note="the only known checkpoint, haritzpuerto/TinyBERT_General_4L_312D-squad (EM 33.3, F1 45.0), was "
        "trained for one epoch and does not represent the model: train one (`export-models distill`)",
    ),
    Model(
        name="tinybert-6l",
        title="TinyBERT-6L",
        config={
            **_BERT,
            "num_hidden_layers": 6,
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
        },
        parameters=66_365_954,
        distillation="embeddings, hidden states and attention of BERT-Base, layer by layer",
        hub_id="Intel/dynamic_tinybert",
        base_id="huawei-noah/TinyBERT_General_6L_768D",
        licence="Apache-2.0",
        training_data="SQuAD v1.1 train",
        published=Published(dataset="SQuAD v1.1 dev", f1=88.7, source="model card"),
    ),
    Model(
        name="mobilebert",
        title="MobileBERT",
        config={
            **_UNCASED,
            "model_type": "mobilebert",
            "num_hidden_layers": 24,
            "hidden_size": 512,
            "num_attention_heads": 4,
            "intermediate_size": 512,
            "embedding_size": 128,
            "intra_bottleneck_size": 128,
            "num_feedforward_networks": 4,
            "hidden_act": "relu",
            "normalization_type": "no_norm",
            "trigram_input": True,
            "use_bottleneck": True,
            "use_bottleneck_attention": False,
            "key_query_shared_bottleneck": True,
        },
        parameters=24_582_914,
        distillation="feature maps and attention of a bottlenecked BERT-Large, layer by layer",
        hub_id="csarron/mobilebert-uncased-squad-v1",
        base_id="google/mobilebert-uncased",
        licence="MIT",
        training_data="SQuAD v1.1 train",
        published=Published(dataset="SQuAD v1.1 dev", exact_match=82.6, f1=90.0, source="model card"),
    ),
)


def find(name: str) -> Model:
    """The model with a name.

    Raises:
        BadInput: there is none; the message suggests the nearest name.
    """
    known = {model.name: model for model in MODELS}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"the catalog has {', '.join(known)}"
    raise BadInput(f"there is no model {name!r}: {hint}")


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The shape that a transformers configuration describes.

    Raises:
        BadInput: the configuration lacks a field that every supported family has.
    """
    shape: dict[str, Any] = {"family": config.get("model_type")}
    for ours, theirs in _FIELDS.items():
        shape[ours] = next((config[field] for field in theirs if field in config), None)
    if config.get("model_type") == "roberta" and isinstance(shape["max_positions"], int):
        # Its positions are counted after that of padding, so the table has some that no token gets.
        shape["max_positions"] -= 1 + int(config.get("pad_token_id") or 0)
    try:
        return msgspec.convert(shape, Architecture)
    except msgspec.ValidationError:
        missing = ", ".join(field.replace("_", " ") for field, value in shape.items() if value is None)
        raise BadInput(
            f"distilbench cannot describe a model of type {config.get('model_type')!r}: "
            f"its configuration has no usable value for {missing or 'its size'}"
        ) from None


_FIELDS: Final = {
    "layers": ("num_hidden_layers", "n_layers"),
    "hidden_size": ("hidden_size", "dim"),
    "attention_heads": ("num_attention_heads", "n_heads"),
    "intermediate_size": ("intermediate_size", "hidden_dim"),
    "vocab_size": ("vocab_size",),
    "max_positions": ("max_position_embeddings",),
}
