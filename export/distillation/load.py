"""Loads teachers and base models: from a name of the catalog, a folder, an adapter, or an id on the hub."""

from pathlib import Path
from typing import TYPE_CHECKING

from export.errors import BadInput
from export.models import hub
from export.models import resolve as names
from export.models import sources as weights
from export.models.load import load_network, load_tokenizer
from export.models.loading_errors import check_files, why
from export.models.sources import Source
from export.quiet_libraries import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def find(text: str, base: Path | None = None) -> Source:
    """The source of the trained reader that a name means.

    Args:
        text: the name; see `resolve.find`.
        base: folder of an adapter's base model, as in `sources.from_folder`.

    Raises:
        BadInput: there is no such reader.
        HubUnavailable: see `hub.resolve`.
    """
    named = names.find(text, base=base)
    if named.weights in {None, "hub"}:
        return weights.from_hub(named.model)
    return weights.from_folder(Path(str(named.weights)), base)


def load_teacher(source: Source) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A teacher in evaluation mode, and its tokenizer.

    Raises:
        BadInput: see `export.models.load.load_network`, or it has no fast tokenizer.
    """
    network, folder = load_network(source)
    network.eval()  # type: ignore[no-untyped-call]  # untyped there
    network.requires_grad_(False)
    return network, load_tokenizer(folder)


def load_base(text: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A model to start from: a folder or an id on the hub, with or without a question-answering head.

    Raises:
        BadInput: it is not a model.
        HubUnavailable: see `hub.resolve`.
    """
    import torch
    from transformers import AutoModelForQuestionAnswering

    if Path(text).is_dir():
        check_files(folder := Path(text))
    else:
        folder = hub.download(text, hub.resolve(text))
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # for the head, if it has to be created
            network = AutoModelForQuestionAnswering.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True
            )
    except Exception as error:  # the libraries share no narrower base
        raise BadInput(f"cannot load '{text}' for the student to start from: {why(error)}") from None
    return network, load_tokenizer(folder)
