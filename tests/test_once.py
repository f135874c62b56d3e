from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.once import once


def test_a_folder_is_made_once_whoever_asks(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("whole")

    with ThreadPoolExecutor(4) as pool:
        folders = {*pool.map(lambda _: once(tmp_path_factory, "made-once", make), range(4))}
    assert folders == {*made} and len(made) == 1
    assert (made[0] / "file").read_text() == "whole"


def test_what_could_not_be_made_is_tried_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    def half(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        once(tmp_path_factory, "made-again", half)
    assert list(once(tmp_path_factory, "made-again", lambda folder: None).iterdir()) == []
