"""A model small enough to build in a second: BERT of two layers, with the vocabulary of bert-base-uncased."""

from export.catalog import Model

TINY = Model(
    name="tiny",
    title="Tiny",
    config={
        "model_type": "bert",
        "vocab_size": 30_522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "num_hidden_layers": 2,
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
