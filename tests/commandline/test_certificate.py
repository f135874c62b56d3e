from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commandline.certificate import dates_of, end_of, end_of_file
from tests.faults.certificates import Authority


@pytest.mark.parametrize(
    ("days", "level", "what"),
    [
        (-2, "fail", "it expired on"),
        (2, "warn", "in 1 day"),
        (3, "warn", "in 2 days"),
        (31, "ok", "it expires on"),
    ],
)
def test_a_certificate_is_renewed_before_it_ends(days: int, level: str, what: str) -> None:
    found = end_of("certificate", "it", datetime.now(UTC) + timedelta(days=days))
    assert found.level == level and what in found.what
    assert found.advice == ("" if level == "ok" else "renew it")


def test_the_end_is_read_from_the_file(tmp_path: Path) -> None:
    own = Authority(tmp_path).sign("pi-5", expired=True)
    found = end_of_file("certificate", "this device's certificate", own.certificate)
    assert (found.level, found.what) == (
        "fail",
        f"this device's certificate expired on {dates_of(own.certificate).ends:%Y-%m-%d}",
    )


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_file_that_is_no_certificate_fails(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "own.crt"
    if content is not None:
        file.write_bytes(content)
    found = end_of_file("certificate", "the certificate", file)
    assert found.level == "fail" and found.advice
    assert f"the certificate '{file}' cannot be read: " in found.what
