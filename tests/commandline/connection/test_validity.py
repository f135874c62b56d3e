"""When certificates end, against what openssl says of them."""

import subprocess
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commandline.connection.validity import validity
from contract.errors import Malformed
from tests.faults.certificates import Authority


def openssl_says(file: Path) -> list[datetime]:
    command = ["openssl", "x509", "-in", str(file), "-noout", "-startdate", "-enddate"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [
        datetime.strptime(line.partition("=")[2], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        for line in said.splitlines()
    ]


def test_it_reads_what_openssl_reads(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for file in (
        authority.root.certificate,
        authority.sign("pi-5").certificate,
        authority.sign("old", expired=True).certificate,
        authority.sign("lasting", days=30_000).certificate,  # after 2049 the date has another form
    ):
        assert list(validity(file.read_text())) == openssl_says(file)


PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@given(st.text() | st.binary().map(lambda data: PEM.format(b64encode(data).decode())))
@example("")
@example(PEM.format("MIIB"))
@example(PEM.format("!"))
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="certificate"):
        validity(text)
