"""What a hub offers, found by name or digest and by nothing else."""

from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.orders.offered import Offer
from tests.collector import factory
from tests.collector.orders.hub_folder import offered, put_bundle


def test_a_bundle_is_named_or_meant_by_its_digest(tmp_path: Path) -> None:
    offer = offered(tmp_path)
    found = offer.bundle("minilm-int8")
    assert (found.name, found.manifest.precision) == ("minilm-int8", "int8")
    assert offer.bundle(found.sha256) == offer.bundle(found.sha256[:8]) == found


@pytest.mark.parametrize("wanted", ["rivers.json", "rivers", factory.QUESTION_FILE.sha256[:12]])
def test_questions_are_named_or_meant_by_their_digest(tmp_path: Path, wanted: str) -> None:
    found = offered(tmp_path).questions(wanted)
    assert (found.name, found.file.sha256) == ("rivers.json", factory.QUESTION_FILE.sha256)


@pytest.mark.parametrize(
    "wanted",
    [
        *("../bundles/minilm-int8", "/etc/passwd", "minilm-int8/", "http://10.0.0.1/minilm-int8", ".."),
        *("..\\minilm-int8", "minilm-int8\n", "", "\u202eminilm", "f" * 64),
    ],
)
def test_paths_addresses_and_unknown_names_are_refused(tmp_path: Path, wanted: str) -> None:
    offer = offered(tmp_path)
    for find in (offer.bundle, offer.questions):
        with pytest.raises(BadInput, match=r"the hub has no|names no path and no address") as caught:
            find(wanted)
        assert str(caught.value).isprintable()


def test_a_near_name_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean 'minilm-int8'"):
        offered(tmp_path).bundle("minilm-int4")


def test_links_and_folders_that_are_no_bundles_are_not_offered(tmp_path: Path) -> None:
    offered(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    put_bundle(elsewhere, "secret", factory.manifest())
    (tmp_path / "bundles" / "linked").symlink_to(elsewhere / "secret")
    (tmp_path / "bundles" / "empty").mkdir()
    (tmp_path / "bundles" / "torn").mkdir()
    (tmp_path / "bundles" / "torn" / "manifest.json").write_text("{")
    assert set(Offer(tmp_path / "bundles", tmp_path / "questions").bundles) == {"minilm-fp32", "minilm-int8"}


def test_a_question_file_that_is_none_is_said_to_be_so(tmp_path: Path) -> None:
    offer = offered(tmp_path)
    (tmp_path / "questions" / "rivers.json").write_text("{")
    with pytest.raises(BadInput, match=r"question file 'rivers\.json'"):
        offer.questions("rivers.json")
