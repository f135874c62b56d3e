"""The PyTorch reader: a network with a trained question-answering head, and its fast tokenizer."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from contract.bundle import Architecture
from export.errors import BadInput, first_line
from export.models import hub
from export.models.catalog import Model, architecture
from export.models.sources import ADAPTER_CONFIG, Checkpoint, Source
from export.quiet import quiet

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_HEAD: Final = "qa_outputs"
_LOADING_ERRORS: Final = (OSError, ValueError, KeyError, TypeError, RuntimeError)


class Reader(NamedTuple):
    """A loaded reader, in evaluation mode and float32."""

    network: "PreTrainedModel"
    tokenizer: "Tokenizer"
    """Without padding and truncation: the agent cuts windows itself."""
    architecture: Architecture
    parameters: int


def load(model: Model, source: Source) -> Reader:
    """Load the weights and the tokenizer of a source.

    Raises:
        BadInput: not a checkpoint, one of another shape than the model's, one without a trained
            question-answering head, or one whose tokenizer does not fit.
        HubUnavailable: a file of a hub repository cannot be had.
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
            f"{model.name!r} has a vocabulary of {shape.vocab_size} tokens, and the tokenizer "
            f"{_tokenizer_name(source)!r} one of {tokenizer.get_vocab_size()}: name its own with --tokenizer"
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    network.eval()  # type: ignore[no-untyped-call]  # untyped there
    return Reader(network, tokenizer, shape, parameters)


def load_network(source: Source) -> "tuple[PreTrainedModel, Path]":
    """The trained network of a source, whatever its shape, and the folder that its tokenizer is in.

    Raises:
        BadInput: not a checkpoint, or one without a trained question-answering head.
        HubUnavailable: as `load`.
    """
    assert source.checkpoint is not None, "random weights teach nothing"
    folder = _fetched(source.checkpoint)
    with quiet():
        return _trained(folder, source), folder


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """The fast tokenizer of a folder.

    Raises:
        BadInput: it has none.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(  # type: ignore[no-untyped-call]  # untyped there
                folder, local_files_only=True
            )
    except _LOADING_ERRORS as error:
        raise BadInput(f"'{folder}' has no usable tokenizer: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise BadInput(f"'{folder}' has no fast tokenizer, and a bundle needs one")
    found: PreTrainedTokenizerFast = tokenizer
    return found


def configuration(model: Model) -> "PretrainedConfig":
    """The configuration of a model's shape."""
    from transformers import CONFIG_MAPPING

    arguments = {key: value for key, value in model.config.items() if key != "model_type"}
    config: PretrainedConfig = CONFIG_MAPPING[model.config["model_type"]](**arguments)
    return config


def untrained(config: "PretrainedConfig", seed: int) -> "PreTrainedModel":
    """A network with random weights."""
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
        raise BadInput(f"'{source.tokenizer}' is no tokenizer.json: {error}") from None
    return untrained(configuration(model), source.seed), tokenizer


def _fetched(checkpoint: Checkpoint) -> Path:
    if checkpoint.commit is None:
        return Path(checkpoint.location)
    return hub.download(checkpoint.location, checkpoint.commit)


def _trained(folder: Path, source: Source) -> "PreTrainedModel":
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForQuestionAnswering

    network: PreTrainedModel
    try:
        network, loading = AutoModelForQuestionAnswering.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    except (*_LOADING_ERRORS, SafetensorError) as error:
        raise BadInput(f"'{folder}' cannot be loaded: {first_line(error)}") from error
    missing: set[str] = set(loading["missing_keys"])
    if source.adapter is not None:
        network, brought = _merged(network, source.adapter)
        missing = {key for key in missing if not brought & set(key.split("."))}
    if missing:
        what = (
            "question-answering head" if any(_HEAD in key for key in missing) else "complete set of weights"
        )
        asked = source.adapter or (source.checkpoint.location if source.checkpoint else folder)
        raise BadInput(
            f"'{asked}' has no trained {what} (it lacks {min(missing)!r}): it would answer at random"
        )
    return network


def _merged(network: "PreTrainedModel", adapter: Path) -> "tuple[PreTrainedModel, set[str]]":
    """The network with the adapter folded in, and the names of the modules that the adapter brings whole."""
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(network, adapter, local_files_only=True)
    except (*_LOADING_ERRORS, SafetensorError) as error:
        raise BadInput(f"the adapter '{adapter}' does not fit its base: {first_line(error)}") from error
    # peft only warns of this, and would go on with what the layers began with.
    if any("missing adapter keys" in str(warning.message) for warning in said):
        raise BadInput(f"the adapter '{adapter}' lacks weights that its {ADAPTER_CONFIG} promises")
    brought = getattr(adapted.peft_config[adapted.active_adapter], "modules_to_save", None) or ()
    return adapted.merge_and_unload(), set(brought)


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
