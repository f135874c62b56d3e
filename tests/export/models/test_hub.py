"""Tests the hub: with a server on this machine, and offline with its cache."""

import shutil
from pathlib import Path

import msgspec
import pytest

from contract.bundle import decode_manifest
from export import cli
from export.building.build import BuildRequest, build
from export.errors import BadInput, HubUnavailable
from export.models import catalog, hub
from export.models import resolve as names
from export.models import sources as weights
from tests.export import hubcache
from tests.export.conftest import HubSettings
from tests.export.hubserver import COMMIT, HubServer
from tests.export.tiny_models import TINY

SECRET = "hf_notToBeSeenAnywhere"
ID = "some-org/Some_QA.model"


def export_models(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["export-models", *map(str, arguments)])
    return cli.main()


def test_a_model_is_downloaded_once_and_built_again_without_the_hub(
    checkpoint: Path,
    hub_server: HubServer,
    hub_settings: HubSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hub_server.repositories[ID] = checkpoint
    hub_settings.online(hub_server.url)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    arguments = ("build", ID, "--weights", "hub", "--verify", "8", "--to", tmp_path / "bundles")
    assert export_models(monkeypatch, *arguments) == 0
    said = capfd.readouterr()
    bundle = tmp_path / "bundles" / "some-org--Some_QA.model-fp32"
    assert said.out == f"{bundle}\n" and SECRET not in said.err
    assert hub_server.tokens == {f"Bearer {SECRET}"}

    written = (bundle / "manifest.json").read_bytes()
    manifest = decode_manifest(written)
    assert SECRET.encode() not in written
    assert msgspec.to_builtins(manifest.weights) == {
        "origin": "hub",
        "source": ID,
        "revision": COMMIT,
        "licence": "mit",
        "training_data": "squad, own",
        "training_articles": (),
    }
    assert (manifest.title, manifest.distillation) == ("Some_QA.model", "not stated")
    assert manifest.parameters == TINY.parameters
    assert manifest.architecture == catalog.architecture(TINY.config)

    hub_settings.offline()
    hub_server.asked.clear()
    assert export_models(monkeypatch, *arguments[:2], *arguments[4:]) == 0
    assert "reused" in capfd.readouterr().err and hub_server.asked == []


def test_a_model_of_the_catalog_is_built_from_the_cache_at_the_commit_that_it_has(
    checkpoint: Path, hub_settings: HubSettings, tmp_path: Path
) -> None:
    hubcache.add_model(hub_settings.home, "example/tiny-squad", checkpoint)
    found = build(BuildRequest(model=TINY, weights="hub", verify=8), tmp_path, lambda line: None)[0]
    manifest = decode_manifest((found / "manifest.json").read_bytes())
    assert msgspec.to_builtins(manifest.weights) == {
        "origin": "hub",
        "source": "example/tiny-squad",
        "revision": hubcache.COMMIT,
        "licence": "Apache-2.0",
        "training_data": "nothing",
        "training_articles": (),
    }


def test_a_pinned_commit_is_used_whatever_the_latest_is(
    checkpoint: Path, hub_settings: HubSettings, copy: Path
) -> None:
    other = "f" * 40
    hubcache.add_model(hub_settings.home, "example/tiny-squad", checkpoint, commit=other)
    hubcache.add_model(hub_settings.home, "example/tiny-squad", copy)
    pinned = msgspec.structs.replace(TINY, revision=other)
    assert weights.from_hub(pinned).weights.revision == other
    assert weights.from_hub(TINY).weights.revision == hubcache.COMMIT
    assert hub.download("example/tiny-squad", other).name == other


def test_a_branch_is_recorded_as_the_commit_that_it_points_to(
    checkpoint: Path, hub_server: HubServer, hub_settings: HubSettings
) -> None:
    hub_server.repositories["example/tiny-squad"] = checkpoint
    hub_server.revisions["v2"] = later = "e" * 40
    hub_settings.online(hub_server.url)
    found = weights.from_hub(msgspec.structs.replace(TINY, revision="main"))
    assert found.weights.revision == COMMIT
    assert hub.resolve("example/tiny-squad", "v2") == later
    with pytest.raises(BadInput, match="'example/tiny-squad' on the hub has no such branch, tag or commit"):
        hub.resolve("example/tiny-squad", "v3")
    with pytest.raises(BadInput, match="the hub has no repository 'example/missing'"):
        hub.resolve("example/missing", "main")


def test_offline_a_branch_is_the_commit_that_it_pointed_to(
    checkpoint: Path, hub_settings: HubSettings
) -> None:
    hubcache.add_model(hub_settings.home, "example/tiny-squad", checkpoint)
    assert hub.resolve("example/tiny-squad", "main") == hubcache.COMMIT
    with pytest.raises(HubUnavailable, match="cannot be reached for 'example/tiny-squad'"):
        hub.resolve("example/tiny-squad", "v2")


def test_an_id_that_the_catalog_has_is_that_model(hub_settings: HubSettings) -> None:
    assert names.find("distilbert/distilbert-base-uncased-distilled-squad").model.name == "distilbert"


def test_offline_without_a_cached_copy_gets_one_sentence(hub_settings: HubSettings, checkpoint: Path) -> None:
    sentence = (
        r"^the hub cannot be reached for 'example/tiny-squad', and the local cache has no complete copy: "
    )
    with pytest.raises(HubUnavailable, match=sentence):
        weights.from_hub(TINY)
    snapshot = hubcache.add_model(hub_settings.home, "example/tiny-squad", checkpoint)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(
        HubUnavailable, match=r"no weights of 'example/tiny-squad' are available: the hub cannot"
    ):
        hub.download("example/tiny-squad", hubcache.COMMIT)


@pytest.mark.parametrize("name", ["some-org/nothing-there", "no/such/thing", "some org/model"])
def test_an_unknown_id_is_quoted(name: str, hub_server: HubServer, hub_settings: HubSettings) -> None:
    hub_settings.online(hub_server.url)
    with pytest.raises(
        BadInput, match=rf"^the hub has no repository '{name}' that you may read; a private one"
    ):
        names.find(name)


def test_a_gated_model_says_where_to_accept_its_terms(
    checkpoint: Path, hub_server: HubServer, hub_settings: HubSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.repositories[ID] = checkpoint
    hub_server.gated.add(ID)
    hub_settings.online(hub_server.url)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with pytest.raises(
        HubUnavailable, match=rf"is gated: accept its terms on https://.*/{ID} and set HF_TOKEN"
    ) as e:
        names.find(ID)
    assert SECRET not in str(e.value)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            {"model_type": "gpt2"},
            "is a model of type 'gpt2', but distilbench builds only bert, distilbert",
        ),
        ({}, "is a model of type None, but distilbench builds only bert, distilbert"),
        (None, "on the hub is not a transformers model: it has no config.json"),
    ],
)
def test_what_cannot_be_built_is_refused_before_its_weights_are_downloaded(
    spoil: dict[str, str] | None,
    sentence: str,
    copy: Path,
    hub_server: HubServer,
    hub_settings: HubSettings,
) -> None:
    (copy / "config.json").unlink()
    if spoil is not None:
        (copy / "config.json").write_bytes(msgspec.json.encode(spoil))
    hub_server.repositories[ID] = copy
    hub_settings.online(hub_server.url)
    with pytest.raises(BadInput, match=f"'{ID}' {sentence}"):
        names.find(ID)
    assert not any("safetensors" in asked for asked in hub_server.asked)


def test_a_checkpoint_without_a_trained_head_is_refused_by_its_id(
    copy: Path, hub_settings: HubSettings, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("qa_outputs")}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    hubcache.add_model(hub_settings.home, ID, copy)
    named = names.find(ID)
    with pytest.raises(BadInput, match=rf"^'{ID}' has no trained question-answering head"):
        build(BuildRequest(model=named.model, weights="hub"), tmp_path / "bundles", lambda line: None)


def test_a_folder_is_a_name_too(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkpoint.parent)
    named = names.find("./tiny-squad")
    assert (named.model.name, named.model.title, named.weights) == ("tiny-squad", "tiny-squad", "tiny-squad")
    assert named == names.find("tiny-squad")
    with pytest.raises(
        BadInput, match=r"'tiny-squad' is already a folder of weights: leave out --weights hub"
    ):
        names.find("tiny-squad", "hub")
    odd = Path(shutil.copytree(checkpoint, tmp_path / "-my model; rm *"))
    assert names.find(str(odd)).model.name == "my-model-rm"
    like = Path(shutil.copytree(checkpoint, tmp_path / "distilbert"))
    assert names.find(str(like)).model.name == "local-distilbert"
    monkeypatch.chdir(tmp_path)
    assert names.find("distilbert").model.title == "DistilBERT"


def test_an_adapter_folder_takes_the_shape_of_its_base() -> None:
    reader = Path(catalog.__file__).parent.parent.parent / "demo" / "reader"
    shape = catalog.architecture(names.find(str(reader)).model.config)
    assert shape == catalog.architecture(catalog.find("minilm-l6").config)
