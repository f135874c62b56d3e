"""Finds what a NAME on the command line means: a model of the catalog, an id on the hub, or a folder."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from export.errors import BadInput
from export.models import catalog, hub
from export.models import sources as weights
from export.models import training_record as record
from export.models.adapter import ADAPTER_CONFIG, cut_config
from export.models.catalog import Model

FAMILIES: Final = ("bert", "distilbert", "electra", "mobilebert", "roberta")
"""The values of `model_type` that can be built; the tests build and verify them in every precision."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100
_NOT_STATED: Final = "not stated"


class Named(NamedTuple):
    """A model, and the source of its weights: `hub`, `random` or a folder; None if it was not given."""

    model: Model
    weights: str | None


def find(name: str, given: str | None = None, base: Path | None = None) -> Named:
    """The model that a name means.

    A name of the catalog wins over a folder of the same name, which can be given as `./NAME`. A model that
    the catalog does not know is described by its own configuration and card.

    Args:
        name: a name of the catalog, `owner/model` on the hub, or a transformers or adapter folder.
        given: source of the weights; only for a name of the catalog, since a folder or an id is one itself.
        base: folder of an adapter's base model.

    Raises:
        BadInput: there is no such model, distilbench does not build its family, or `given` contradicts the
            name.
        HubUnavailable: see `hub.resolve`.
    """
    if any(model.name == name for model in catalog.MODELS):
        return Named(_as_recorded(catalog.find(name), given), given)
    if name.startswith((".", "/", "~")) or Path(name).is_dir():
        if given is not None:
            raise BadInput(f"'{name}' is already a folder of weights: leave out --weights {given}")
        return _in_folder(Path(name).expanduser(), base)
    if "/" in name:
        if given not in {None, "hub"}:
            raise BadInput(
                f"'{name}' is an id on the hub: leave out --weights {given}, or name a model of `list`"
            )
        return _on_hub(name)
    return Named(catalog.find(name), given)


def _in_folder(folder: Path, base: Path | None) -> Named:
    checkpoint = weights.checkpoint(folder, base)
    made = record.read(folder)
    title = weights.name_of(folder.resolve()) or "model" if made is None else made.title
    name = _safe(title if made is None else made.name)
    if any(model.name == name for model in catalog.MODELS):
        name = f"local-{name}"  # results are grouped by name, and this may be another model
    config = weights.config(checkpoint)
    if (folder / ADAPTER_CONFIG).is_file():
        config = cut_config(folder, config)
    _check_family(config, str(folder))
    return Named(_as_recorded(_described(name, title, config), str(folder)), str(folder))


def _as_recorded(model: Model, given: str | None) -> Model:
    """The model, with the description of its distillation that `export-models distill` recorded, if any."""
    made = None if given in {None, "hub", "random"} else record.read(Path(str(given)))
    return model if made is None else msgspec.structs.replace(model, distillation=made.distillation)


def _on_hub(repository: str) -> Named:
    for model in catalog.MODELS:
        if model.hub_id == repository:
            return Named(model, "hub")
    commit = hub.resolve(repository)
    config = weights.config(weights.Checkpoint(repository, commit))
    _check_family(config, repository)
    card = hub.card(repository, commit)
    described = _described(_safe(repository.replace("/", "--")), repository.split("/")[-1], config)
    model = msgspec.structs.replace(
        described,
        hub_id=repository,
        revision=commit,
        licence=card.licence,
        training_data=card.training_data,
        training_articles=card.training_articles,
    )
    return Named(model, "hub")


def _described(name: str, title: str, config: dict[str, Any]) -> Model:
    return Model(name=name, title=title[:_LONGEST_NAME], config=config, distillation=_NOT_STATED)


def _check_family(config: dict[str, Any], name: str) -> None:
    family = config.get("model_type")
    if family not in FAMILIES:
        raise BadInput(
            f"'{name}' is a model of type {family!r}, but distilbench builds only {', '.join(FAMILIES)}"
        )


def _safe(text: str) -> str:
    """The text as a part of a folder's name that is safe in every shell and file system."""
    return _UNSAFE.sub("-", text).strip("-.")[:_LONGEST_NAME] or "model"
