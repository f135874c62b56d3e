"""Loads the PyTorch reader: a network with a trained question-answering head, and its fast tokenizer."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from contract.bundle import Architecture
from export.errors import BadInput, first_line
from export.models import hub
from export.models.adapter import ADAPTER_CONFIG, used_layers
from export.models.catalog import Model, architecture
from export.models.loading_errors import check_tokenizer_is_there, why
from export.models.sources import Checkpoint, Source
from export.quiet_libraries import quiet

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_HEAD: Final = "qa_outputs"
_LOGITS: Final = 2


class Reader(NamedTuple):
    """A loaded reader, in evaluation mode and float32."""

    network: "PreTrainedModel"
    tokenizer: "Tokenizer"
    """The tokenizer, without padding and truncation: the agent cuts windows itself."""
    architecture: Architecture
    parameters: int


def load(model: Model, source: Source) -> Reader:
    """Load the weights and the tokenizer of a source.

    Raises:
        BadInput: the source is not a checkpoint, its shape is not the model's, it has no trained
            question-answering head, or its tokenizer does not fit.
        HubUnavailable: a file of a hub repository cannot be downloaded.
    """
    if source.checkpoint is None:
        network, tokenizer = _random(model, source)
    else:
        folder = _fetched(source.checkpoint)
        with quiet():
            network, tokenizer = _trained(folder, source), load_tokenizer(folder).backend_tokenizer
    shape = architecture(network.config.to_dict())
    _check_shape(model, shape, source)
    if tokenizer.get_vocab_size() > shape.vocab_size:
        raise BadInput(
            f"{model.name!r} has a vocabulary of {shape.vocab_size} tokens, but the tokenizer "
            f"{_tokenizer_name(source)!r} has {tokenizer.get_vocab_size()}: give the model's own tokenizer "
            "with --tokenizer"
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    network.eval()  # type: ignore[no-untyped-call]  # untyped there
    return Reader(network, tokenizer, shape, parameters)


def load_network(source: Source) -> "tuple[PreTrainedModel, Path]":
    """The trained network of a source, whatever its shape, and the folder that its tokenizer is in.

    Raises:
        BadInput: the source is not a checkpoint, or has no trained question-answering head.
        HubUnavailable: see `load`.
    """
    assert source.checkpoint is not None, "random weights cannot teach"
    folder = _fetched(source.checkpoint)
    with quiet():
        return _trained(folder, source), folder


def load_base(source: Source) -> "PreTrainedModel":
    """The network that a source was made from: the whole base of an adapter, or the network itself.

    Raises:
        BadInput: it cannot be loaded.
        HubUnavailable: see `load`.
    """
    assert source.checkpoint is not None, "random weights have no base"
    with quiet():
        network, _ = _pretrained(_fetched(source.checkpoint))
    return network


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """The fast tokenizer of a folder.

    Raises:
        BadInput: the folder has none.
    """
    from transformers import AutoTokenizer

    check_tokenizer_is_there(folder)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(  # type: ignore[no-untyped-call]  # untyped there
                folder, local_files_only=True
            )
    except Exception as error:  # tokenizers raises Exception itself
        raise BadInput(f"'{folder}' has no usable tokenizer: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise BadInput(f"'{folder}' has no fast tokenizer, but a bundle needs one")
    found: PreTrainedTokenizerFast = tokenizer
    return found


def configuration(model: Model) -> "PretrainedConfig":
    """The configuration of a model's shape."""
    from transformers import CONFIG_MAPPING

    arguments = {key: value for key, value in model.config.items() if key != "model_type"}
    config: PretrainedConfig = CONFIG_MAPPING[model.config["model_type"]](**arguments)
    return config


def untrained(config: "PretrainedConfig", seed: int) -> "PreTrainedModel":
    """A network with random weights, drawn with a seed."""
    import torch
    from transformers import AutoModelForQuestionAnswering

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: PreTrainedModel = AutoModelForQuestionAnswering.from_config(config)  # type: ignore[no-untyped-call]  # untyped there
    return network


def _random(model: Model, source: Source) -> "tuple[PreTrainedModel, Tokenizer]":
    from tokenizers import Tokenizer

    assert source.tokenizer is not None
    try:
        tokenizer = Tokenizer.from_file(str(source.tokenizer))
    except Exception as error:  # tokenizers raises Exception itself
        raise BadInput(f"'{source.tokenizer}' is not a tokenizer.json: {error}") from None
    return untrained(configuration(model), source.seed), tokenizer


def _fetched(checkpoint: Checkpoint) -> Path:
    if checkpoint.commit is None:
        return Path(checkpoint.location)
    return hub.download(checkpoint.location, checkpoint.commit)


def _pretrained(folder: Path) -> "tuple[PreTrainedModel, set[str]]":
    """The network of a transformers folder, and the names of the weights that the folder lacks."""
    import torch
    from transformers import AutoModelForQuestionAnswering

    try:
        network, loading = AutoModelForQuestionAnswering.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    except Exception as error:  # the libraries share no narrower base
        raise BadInput(f"'{folder}' cannot be loaded: {why(error)}") from error
    return network, set(loading["missing_keys"])


def _trained(folder: Path, source: Source) -> "PreTrainedModel":
    network, missing = _pretrained(folder)
    if source.adapter is not None:
        network, replaced = _merged(network, source.adapter)
        missing = {key for key in missing if not replaced & set(key.split("."))}
    if missing:
        what = (
            "question-answering head" if any(_HEAD in key for key in missing) else "complete set of weights"
        )
        place = source.adapter or (source.checkpoint.location if source.checkpoint else folder)
        raise BadInput(
            f"'{place}' has no trained {what} (it lacks {min(missing)!r}): its answers would be random"
        )
    if network.config.num_labels != _LOGITS:
        raise BadInput(
            f"'{folder}' has a head of {network.config.num_labels} outputs, but answers are found with two: "
            "their start and their end"
        )
    return network


def _merged(network: "PreTrainedModel", adapter: Path) -> "tuple[PreTrainedModel, set[str]]":
    """The network with the adapter merged, and the names of the modules that the adapter replaces whole."""
    from peft import PeftConfig, PeftModel

    keep_layers(network, used_layers(adapter, network.config.num_hidden_layers))
    try:
        config = PeftConfig.from_pretrained(str(adapter), local_files_only=True)
        if getattr(config, "layer_replication", None):
            config.layer_replication = None  # the layers are cut already; peft would refuse to merge
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(network, adapter, config=config, local_files_only=True)
    except Exception as error:  # the libraries share no narrower base
        raise BadInput(f"the adapter '{adapter}' does not fit its base: {why(error)}") from error
    # peft only warns about this, and would leave the initial weights in these layers.
    if any("missing adapter keys" in str(warning.message) for warning in warned):
        raise BadInput(f"the adapter '{adapter}' lacks weights that its {ADAPTER_CONFIG} declares")
    replaced = getattr(adapted.peft_config[adapted.active_adapter], "modules_to_save", None) or ()
    return adapted.merge_and_unload(), set(replaced)


def keep_layers(network: "PreTrainedModel", kept: tuple[int, ...]) -> None:
    """Remove all other layers from an encoder, in place.

    Args:
        network: a network of a family that distilbench builds.
        kept: the layers to keep, counted from 0, in order.
    """
    from torch import nn

    if len(kept) == network.config.num_hidden_layers:
        return
    encoder = next(
        module for module in network.modules() if isinstance(getattr(module, "layer", None), nn.ModuleList)
    )
    layers = encoder.layer
    assert isinstance(layers, nn.ModuleList)
    encoder.layer = nn.ModuleList([layers[place] for place in kept])
    network.config.num_hidden_layers = len(kept)


def _check_shape(model: Model, found: Architecture, source: Source) -> None:
    wanted = architecture(model.config)
    for field in ("family", "layers", "hidden_size", "attention_heads", "intermediate_size"):
        ours, theirs = getattr(wanted, field), getattr(found, field)
        if ours != theirs:
            raise BadInput(
                f"the weights of {source.weights.source!r} are not {model.name!r}: "
                f"{field.replace('_', ' ')} is {theirs!r}, not {ours!r}"
            )


def _tokenizer_name(source: Source) -> str:
    return source.tokenizer_name or source.weights.source
