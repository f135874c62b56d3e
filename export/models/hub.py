"""Access to the Hugging Face hub: models, their commits and cards, data sets, and the hub's errors.

`HF_HOME`, `HF_TOKEN` and `HF_HUB_OFFLINE` are honoured, because the hub's own library reads them.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from export.errors import BadInput, HubUnavailable, StorageUnavailable, first_line
from export.quiet_libraries import quiet
from export.toolchain import check_installed

if TYPE_CHECKING:
    import pyarrow as pa

_CARD: Final = "README.md"
_CONFIG: Final = "config.json"
_SAFETENSORS: Final = "model*.safetensors"
_PICKLED: Final = "pytorch_model*.bin"
"""transformers reads these with torch's safe unpickler only."""
_CONFIGURATION: Final = ["*.json", "*.txt", "*.model", _CARD, _SAFETENSORS]
_TIMEOUT_SECONDS: Final = 10.0
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_MAIN: Final = "main"


class Card(NamedTuple):
    """The facts that the front matter of a model card states."""

    licence: str | None = None
    training_data: str | None = None
    training_articles: tuple[str, ...] = ()
    """Value of distilbench's own key `training_articles`; see `contract.bundle.Weights`."""


def resolve(repository: str, revision: str | None = None) -> str:
    """The commit of a repository's revision, or the cached commit if the hub cannot be reached.

    Args:
        repository: its id.
        revision: a branch, a tag or a commit; a whole commit is returned as it is. None for the main branch.

    Raises:
        HubUnavailable: the hub cannot be reached and the cache has no copy, or the hub requires a log-in.
        BadInput: there is no such repository or revision.
    """
    from huggingface_hub import HfApi

    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    try:
        with _translated(repository), quiet():
            commit = HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT_SECONDS).sha
    except HubUnavailable:
        commit = _cached_commit(repository, revision or _MAIN)
        if commit is None:
            raise
    if commit is None:
        raise HubUnavailable(f"the hub did not report the current commit of {repository!r}: try again later")
    return commit


def _cached_commit(repository: str, revision: str) -> str | None:
    """The cached commit that a revision pointed to when last seen; for main, or else that downloaded last."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    cached = try_to_load_from_cache(repository, _CONFIG, revision=revision)
    if isinstance(cached, str):
        return Path(cached).parent.name
    if revision != _MAIN:
        return None
    # Everything here is downloaded by its commit, so the cache does not record which commit main was at.
    place = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
    found = sorted(place.glob(f"snapshots/*/{_CONFIG}"), key=lambda path: path.lstat().st_mtime)
    return found[-1].parent.name if found else None


def download(repository: str, commit: str) -> Path:
    """The folder in the hub's cache that holds a repository's configuration, tokenizer and weights.

    Downloads what is missing. Prefers safetensors if the repository has them.

    Raises:
        HubUnavailable: see `resolve`.
        BadInput: see `resolve`.
        StorageUnavailable: the cache cannot be written.
    """
    from huggingface_hub import snapshot_download

    with _translated(repository):
        folder = Path(snapshot_download(repository, revision=commit, allow_patterns=_CONFIGURATION))
        if not any(folder.glob(_SAFETENSORS)):
            snapshot_download(repository, revision=commit, allow_patterns=[_PICKLED])
    if not any(folder.glob(_SAFETENSORS)) and not any(folder.glob(_PICKLED)):
        raise HubUnavailable(
            f"no weights of {repository!r} are available: the hub cannot be reached and the local cache has "
            "no complete copy, or the repository has no weights that PyTorch can read"
        )
    return folder


def file(repository: str, commit: str, name: str) -> Path | None:
    """One file of a repository, downloaded into the cache; None if the repository has no such file.

    Raises:
        HubUnavailable: see `resolve`.
        BadInput: see `resolve`.
        StorageUnavailable: see `download`.
    """
    from huggingface_hub import errors, hf_hub_download

    with _translated(repository), quiet():
        try:
            return Path(hf_hub_download(repository, name, revision=commit))
        except errors.LocalEntryNotFoundError:
            raise
        except errors.EntryNotFoundError:
            return None


def card(repository: str, commit: str) -> Card:
    """The facts of a repository's card; empty if it has no card, or if offline and the card is not cached."""
    try:
        path = file(repository, commit, _CARD)
    except HubUnavailable:
        path = None
    return Card() if path is None else read_card(path.parent)


def read_card(folder: Path) -> Card:
    """The facts of the card in a model folder; empty if there is no card or it has no front matter."""
    path = folder / _CARD
    if not path.is_file():
        return Card()
    from huggingface_hub import ModelCard

    try:
        with quiet():
            data = ModelCard(
                path.read_text(encoding="utf-8", errors="replace"), ignore_metadata_errors=True
            ).data
    except (UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"the model card '{path}' cannot be read: {error}") from None
    stated = data.to_dict()  # type: ignore[no-untyped-call]  # the library leaves this one untyped
    licence, datasets = stated.get("license"), stated.get("datasets")
    articles = stated.get("training_articles") or ()
    return Card(
        licence=licence if isinstance(licence, str) else None,
        training_data=", ".join(map(str, datasets)) if isinstance(datasets, list) else datasets,
        training_articles=tuple(map(str, articles)) if isinstance(articles, list) else (),
    )


def dataset(repository: str, split: str, revision: str) -> "tuple[pa.Table, str]":
    """A split of a data set, and the commit it comes from; downloaded once into the cache of `datasets`.

    If the hub cannot be reached, the cached copy is used, whatever its commit.

    Raises:
        HubUnavailable: see `resolve`.
        BadInput: see `resolve`.
        NotInstalled: `datasets` is not installed.
        StorageUnavailable: the cache cannot be written.
    """
    check_installed(f"downloading {repository!r}", ("datasets",))
    import datasets

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        with _translated(repository, "a file with --from"), quiet():
            loaded = datasets.load_dataset(repository, split=split, revision=revision)
    except (datasets.exceptions.DatasetsError, ValueError) as error:
        raise HubUnavailable(
            f"cannot get {split} of {repository!r} from the hub or the local cache ({first_line(error)}): "
            "go online (and unset HF_HUB_OFFLINE), or give a file with --from"
        ) from None
    commit = Path(loaded.cache_files[0]["filename"]).parent.name
    return loaded.with_format("arrow")[:], commit


@contextmanager
def _translated(repository: str, instead: str = "a folder with --weights") -> Iterator[None]:
    """Turn the errors of the hub's library into one sentence that advises what to do."""
    from huggingface_hub import errors
    from requests import RequestException

    try:
        yield
    except errors.GatedRepoError:
        raise HubUnavailable(
            f"{repository!r} is gated: accept its terms on https://huggingface.co/{repository} "
            "and set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise BadInput(f"{repository!r} on the hub has no such branch, tag or commit") from None
    except (errors.HFValidationError, errors.RepositoryNotFoundError):
        raise _no_repository(repository) from None
    except (errors.LocalEntryNotFoundError, ConnectionError, TimeoutError, RequestException):
        raise HubUnavailable(
            f"the hub cannot be reached for {repository!r}, and the local cache has no complete copy: "
            f"go online (and unset HF_HUB_OFFLINE), or give {instead}"
        ) from None
    except FileNotFoundError:  # raised for a missing data set, but not for a missing model
        raise _no_repository(repository) from None
    except OSError as error:
        raise StorageUnavailable(f"cannot write to the hub's cache: {error.strerror or error}") from error


def _no_repository(repository: str) -> BadInput:
    return BadInput(
        f"the hub has no repository {repository!r} that you may read; a private one needs HF_TOKEN"
    )
