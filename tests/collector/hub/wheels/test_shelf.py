"""Wheels are collected once, kept over restarts, and collected again for another distilbench."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.hub.wheels.pip import NoWheel
from collector.hub.wheels.shelf import Kind, Shelf, kind_of
from tests.collector.hub.wheels.fake_wheels import fake_wheel, wheel_folder

KIND = Kind("3.11", "x86_64", 36)


def listed(shelf: Shelf, kind: Kind = KIND) -> list[str]:
    shelf.prepare()
    return [line.partition("  ")[2] for line in shelf.listing(kind).result(200)]


def test_wheels_are_collected_once(tmp_path: Path) -> None:
    source, said = wheel_folder(tmp_path / "wheelhouse"), list[str]()
    names = listed(Shelf(tmp_path / "wheels", source, said.append))
    assert names[0] == "distilbench-0.1.0-py3-none-any.whl"
    assert said == [
        "collecting wheels for Python 3.11 on x86_64 with glibc 2.36",
        "collected 2 wheels for Python 3.11 on x86_64 with glibc 2.36",
    ]
    (tmp_path / "wheels" / "collecting-left").mkdir()
    assert listed(Shelf(tmp_path / "wheels", source, said.append)) == names
    assert len(said) == 2
    fake_wheel(source, "distilbench", "0.2.0", "py3-none-any", ["needed"])
    assert listed(Shelf(tmp_path / "wheels", source, said.append))[0].startswith("distilbench-0.2.0")
    assert len(said) == 4
    fake_wheel(source, "needed", "1.1", "py3-none-any")
    assert "needed-1.1-py3-none-any.whl" in listed(Shelf(tmp_path / "wheels", source, said.append))
    assert {path.name for path in (tmp_path / "wheels").iterdir()} == {"pool", "lists"}


def test_wheels_of_this_version_and_of_the_one_before_are_kept(tmp_path: Path) -> None:
    source, folder = wheel_folder(tmp_path / "wheelhouse"), tmp_path / "wheels"
    other = Kind("3.11", "aarch64", 36)
    listed(Shelf(folder, source, print), other)

    def versions() -> set[str]:
        return {path.name.split("-")[1] for path in (folder / "pool").glob("distilbench-*.whl")}

    for number in range(2, 5):
        fake_wheel(source, "distilbench", f"0.{number}.0", "py3-none-any", [f"needed=={number}.0"])
        fake_wheel(source, "needed", f"{number}.0", "cp311-cp311-manylinux_2_28_x86_64")
        listed(Shelf(folder, source, print))
    assert versions() == {"0.3.0", "0.4.0"}
    assert len(list((folder / "lists").glob("cp3.11-x86_64-*.txt"))) == 2
    assert {path.name for path in (folder / "pool").glob("needed-*.whl")} == {
        "needed-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",  # of another kind, which has one list only
        "needed-3.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "needed-4.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    }


@pytest.mark.proof
def test_a_version_that_is_used_again_is_not_an_older_one(tmp_path: Path) -> None:
    source, folder = wheel_folder(tmp_path / "wheelhouse"), tmp_path / "wheels"
    first = listed(Shelf(folder, source, print))
    newer = fake_wheel(source, "distilbench", "0.2.0", "py3-none-any", ["needed"])
    listed(Shelf(folder, source, print))
    newer.unlink()
    assert listed(Shelf(folder, source, print)) == first
    fake_wheel(source, "distilbench", "0.3.0", "py3-none-any", ["needed"])
    listed(Shelf(folder, source, print))
    kept = {path.name for path in (folder / "pool").glob("distilbench-*.whl")}
    assert kept == {"distilbench-0.1.0-py3-none-any.whl", "distilbench-0.3.0-py3-none-any.whl"}


def test_a_damaged_list_goes_and_stops_nothing(tmp_path: Path) -> None:
    source, folder = wheel_folder(tmp_path / "wheelhouse"), tmp_path / "wheels"
    names = listed(Shelf(folder, source, print))
    (damaged,) = (folder / "lists").glob("*.txt")
    damaged.write_bytes(b"\xff\n")
    assert listed(Shelf(folder, source, print)) == names
    (folder / "lists" / f"{damaged.name[:-9]}ffff.txt").write_text("cut")
    (folder / "pool" / names[1]).unlink()
    assert listed(Shelf(folder, source, print)) == names
    assert list((folder / "lists").glob("*.txt")) == [damaged]


def test_what_is_missing_is_named_and_tried_again(tmp_path: Path) -> None:
    source = wheel_folder(tmp_path / "wheelhouse")
    shelf = Shelf(tmp_path / "wheels", source, print)
    with pytest.raises(NoWheel, match=r"the hub cannot collect wheels for Python 3\.12 on x86_64 .*needed"):
        listed(shelf, Kind("3.12", "x86_64", 36))
    fake_wheel(source, "needed", "1.1", "py3-none-any")
    assert "needed-1.1-py3-none-any.whl" in listed(shelf, Kind("3.12", "x86_64", 36))


def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no wheels: deploy/make-wheelhouse"):
        Shelf(tmp_path / "wheels", tmp_path, print).prepare()


def test_a_wheel_that_is_cut_or_missing_is_collected_again(tmp_path: Path) -> None:
    source = wheel_folder(tmp_path / "wheelhouse")
    shelf = Shelf(tmp_path / "wheels", source, print)
    names = listed(shelf)
    pool = tmp_path / "wheels" / "pool"
    spoils: tuple[Callable[[Path], object], ...] = (Path.unlink, lambda file: file.write_bytes(b""))
    for spoil in spoils:
        spoil(pool / names[1])
        assert listed(shelf) == names
        assert zipfile.is_zipfile(pool / names[1])
    for name in ("", "..", "needed.whl", "../lists/x.whl", "a-b-c-d-e-f-g.whl", "needed-1.0.tar.gz"):
        assert shelf.open(name) is None


def test_a_kind_is_what_a_board_says_of_itself() -> None:
    assert kind_of("3.13", "aarch64", "glibc2.41") == Kind("3.13", "aarch64", 41)
    for wrong in (("3.10", "x86_64", "glibc2.36"), ("3.11", "riscv64", "glibc2.36"), ("3.11", "x86_64", "")):
        with pytest.raises(NoWheel, match="there are no wheels for"):
            kind_of(*wrong)


def test_a_wheel_that_is_damaged_is_a_sentence(tmp_path: Path) -> None:
    source = wheel_folder(tmp_path / "wheelhouse")
    (source / "distilbench-0.1.0-py3-none-any.whl").write_bytes(b"damaged")
    with pytest.raises(NoWheel, match=r"the hub's own wheel 'distilbench-0.* is damaged: "):
        listed(Shelf(tmp_path / "wheels", source, print))
