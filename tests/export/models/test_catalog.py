import msgspec
import pytest

from contract.codec import encode
from contract.study import STUDY
from export.errors import BadInput
from export.models.catalog import MODELS, Model, architecture, find


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_catalogued_shape_is_the_network_it_describes(model: Model) -> None:
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForQuestionAnswering

    arguments = {key: value for key, value in model.config.items() if key != "model_type"}
    config = CONFIG_MAPPING[model.config["model_type"]](**arguments)
    with torch.device("meta"):
        network = AutoModelForQuestionAnswering.from_config(config)  # type: ignore[no-untyped-call]
    assert sum(parameter.numel() for parameter in network.parameters()) == model.parameters
    assert architecture(config.to_dict()) == architecture(model.config)


def test_names_and_titles_are_unique() -> None:
    assert len({model.name for model in MODELS}) == len({model.title for model in MODELS}) == 8


def test_every_model_can_be_had_from_somewhere() -> None:
    assert all(model.hub_id or model.base_id for model in MODELS)
    assert all(model.training_data and model.published for model in MODELS if model.hub_id)


def test_every_model_of_the_study_is_in_the_catalog_with_its_numbers() -> None:
    assert {model.name: model.study for model in MODELS if model.study} == STUDY


def test_scores_are_percentages() -> None:
    scores = [model.published for model in MODELS if model.published]
    assert all(50 < (score.exact_match or 50.1) <= score.f1 <= 100 for score in scores)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("distil-bert", "'distilbert'"), ("MiniLM-L6", "'minilm-l6'"), ("gpt", "the catalog has bert-large")],
)
def test_an_unknown_name_gets_the_nearest_one(wrong: str, hint: str) -> None:
    with pytest.raises(BadInput, match=f"{wrong}.*{hint}"):
        find(wrong)


def test_a_configuration_without_a_size_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(BadInput, match=r"'gpt2'.*layers"):
        architecture({"model_type": "gpt2", "vocab_size": 10})


def test_the_catalog_survives_its_own_json() -> None:
    assert tuple(msgspec.json.decode(encode(MODELS), type=list[Model])) == MODELS
