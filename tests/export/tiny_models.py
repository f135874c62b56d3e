"""A model that builds in a second: a BERT of two layers, with the vocabulary of bert-base-uncased."""

from pathlib import Path

from export.models import sources as weights
from export.models.catalog import Model

LAYERS = 2
TINY = Model(
    name="tiny",
    title="Tiny",
    config={
        "model_type": "bert",
        "vocab_size": 30_522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "num_hidden_layers": LAYERS,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    },
    parameters=1_010_370,
    distillation="teacher",
    hub_id="example/tiny-squad",
    licence="Apache-2.0",
    training_data="nothing",
)


def save_checkpoint(folder: Path) -> None:
    """Write TINY as a transformers folder: random weights that count as trained, tokenizer, card."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForQuestionAnswering

    arguments = {key: value for key, value in TINY.config.items() if key != "model_type"}
    config = BertConfig(**arguments)  # type: ignore[no-untyped-call]  # untyped there
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = BertForQuestionAnswering(config)  # type: ignore[no-untyped-call]  # untyped there
    network.save_pretrained(folder)
    packaged = weights.tokenizer_file(None)
    assert packaged is not None
    AutoTokenizer.from_pretrained(packaged.path.parent).save_pretrained(folder)  # type: ignore[no-untyped-call]
    (folder / "README.md").write_text("---\nlicense: mit\ndatasets: [squad, own]\n---\n# Tiny\n")
