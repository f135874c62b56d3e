import errno
import os
from pathlib import Path

import pytest

from bench.blows.disk import Disk


@pytest.mark.parametrize("content", [b"", b"x" * 100_000])
def test_a_full_disk_takes_nothing_until_it_is_free(tmp_path: Path, content: bytes) -> None:
    disk = Disk(tmp_path / "disk")
    if not disk.folder.is_mount():
        pytest.skip("mounting a tmpfs needs root")
    try:
        (disk.folder / "before").write_bytes(content)
        for number in range(2):
            more = disk.folder / f"more-{number}"
            disk.fill()
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                more.write_bytes(b"x" * 10_000)
            disk.free()
            more.write_bytes(b"x" * 1_000_000)
    finally:
        disk.close()
