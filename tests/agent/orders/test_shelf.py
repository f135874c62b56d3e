"""What is kept for orders stays within its bound, and nothing of the user is dropped."""

import os
import shutil
from pathlib import Path

import pytest

from agent.bundles.bundle import describe
from agent.bundles.fetch import draft_of
from agent.errors import BadInput
from agent.orders.shelf import Shelf

OLD, NEW, WANTED = "a" * 64, "b" * 64, "c" * 64


def put(shelf: Shelf, sha256: str, size: int, used_at: float) -> Path:
    place = shelf.bundle(sha256)
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(bytes(size))
    os.utime(place.parent, (used_at, used_at))
    return place


def test_the_least_recently_used_that_no_order_names_is_dropped_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 3000)
    users = tmp_path / "bundles" / "mine"
    users.mkdir(parents=True)
    (users / "model.onnx").write_bytes(bytes(5000))
    stranger = shelf.folder / "bundles" / "notes"
    stranger.mkdir(parents=True)
    (stranger / "text").write_bytes(bytes(5000))
    old, new, wanted = put(shelf, OLD, 1000, 10), put(shelf, NEW, 1000, 20), put(shelf, WANTED, 1000, 1)
    shelf.make_room(shelf.bundle("d" * 64), 500, {WANTED})
    assert (old.exists(), new.exists(), wanted.exists()) == (False, True, True)
    shelf.make_room(shelf.bundle("d" * 64), 1500, {WANTED})
    assert (new.exists(), wanted.exists()) == (False, True)
    with pytest.raises(BadInput, match=r"--keep-mib"):
        shelf.make_room(shelf.bundle("d" * 64), 2500, {WANTED})
    assert wanted.exists() and users.exists() and stranger.exists()


def test_a_part_that_is_here_counts_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1000)
    draft = draft_of(shelf.bundle(WANTED))
    draft.mkdir(parents=True)
    (draft / "model.onnx").write_bytes(bytes(900))
    shelf.make_room(shelf.bundle(WANTED), 1000, {WANTED})
    assert draft.exists()
    with pytest.raises(BadInput, match="MB more"):
        shelf.make_room(shelf.bundle(WANTED), 1001, {WANTED})


def test_what_is_damaged_makes_room_for_what_replaces_it(tmp_path: Path) -> None:
    """Otherwise both would be here until the download ends, and only one would count."""
    shelf = Shelf(tmp_path, 1000)
    damaged = put(shelf, WANTED, 900, 1)
    (damaged.parent / "text").write_bytes(bytes(900))
    shelf.make_room(shelf.bundle(WANTED), 1000, {WANTED})
    assert list(damaged.parent.iterdir()) == []


def test_questions_take_room_as_bundles_do(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1000)
    old = put(shelf, OLD, 600, 10)
    shelf.make_room(shelf.questions(NEW), 400, {NEW})
    assert old.exists()
    shelf.make_room(shelf.questions(NEW), 401, {NEW})
    assert not old.exists()
    with pytest.raises(BadInput, match=r"--keep-mib"):
        shelf.make_room(shelf.questions(NEW), 1001, {NEW})


def test_room_on_the_disk_is_kept_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path, 10**12)
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000_500)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    shelf.make_room(shelf.bundle(NEW), 500, ())
    with pytest.raises(BadInput, match="of the disk stay free"):
        shelf.make_room(shelf.bundle(NEW), 501, ())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "state", 100)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(bytes(1000))
    (shelf.folder / "bundles").mkdir(parents=True)
    (shelf.folder / "bundles" / OLD).symlink_to(outside)
    shelf.make_room(shelf.bundle(NEW), 50, ())
    assert (outside / "file").exists()


def test_only_what_was_ordered_is_taken_for_it(tmp_path: Path, tiny_bundle: Path) -> None:
    shelf, sha256 = Shelf(tmp_path, 10**9), describe(tiny_bundle).sha256
    assert not shelf.has_bundle(sha256)
    shutil.copytree(tiny_bundle, shelf.bundle(sha256))
    assert shelf.has_bundle(sha256)
    shutil.copytree(tiny_bundle, shelf.bundle(OLD))
    assert not shelf.has_bundle(OLD)
    with (shelf.bundle(sha256) / "model.onnx").open("r+b") as model:
        model.write(b"x")
    assert not shelf.has_bundle(sha256)
    assert not shelf.has_questions(NEW)
