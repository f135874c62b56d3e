"""Certificates of a hub: valid from 2020, renewed with the same key, for every address that it ever had."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.hub.authority import LIFE, RENEW_BEFORE, certify, pin
from collector.hub.folder import HubFolder
from commandline.connection.validity import validity
from tests import installed

NOW = datetime(2026, 11, 29, tzinfo=UTC)
NAMES = ("192.168.1.2", "workstation.local", "localhost")


@pytest.fixture
def folder(tmp_path: Path) -> HubFolder:
    installed.module("cryptography")
    made = HubFolder(tmp_path)
    assert certify(made, NAMES, NOW)
    return made


def test_a_board_whose_clock_is_years_behind_trusts_it(folder: HubFolder) -> None:
    for file in (folder.ca_cert, folder.cert):
        assert validity(file.read_text()).begins == datetime(2020, 1, 1, tzinfo=UTC)
    assert validity(folder.cert.read_text()).ends == NOW + LIFE
    assert validity(folder.ca_cert.read_text()).ends > NOW + 5 * LIFE


def test_a_good_certificate_is_kept(folder: HubFolder) -> None:
    before = folder.cert.read_bytes(), folder.ca_cert.read_bytes()
    assert not certify(folder, NAMES[:1], NOW + timedelta(days=30))
    assert (folder.cert.read_bytes(), folder.ca_cert.read_bytes()) == before


def test_a_renewal_keeps_the_key_and_so_the_pin(folder: HubFolder) -> None:
    key, authority = pin(folder), folder.ca_cert.read_bytes()
    later = NOW + LIFE - RENEW_BEFORE + timedelta(days=1)
    assert certify(folder, NAMES, later)
    assert pin(folder) == key
    assert validity(folder.cert.read_text()).ends == later + LIFE
    assert folder.ca_cert.read_bytes() == authority, "boards hold it"


def test_even_an_authority_at_its_end_is_renewed_with_its_key(folder: HubFolder) -> None:
    old = folder.ca_cert.read_bytes()
    certify(folder, NAMES, NOW + timedelta(days=29 * 365))
    assert folder.ca_cert.read_bytes() != old
    trusting_the_old = ssl.create_default_context(cadata=old.decode())
    trusting_the_old.load_verify_locations(cadata=folder.ca_cert.read_text())
    assert len({tuple(sorted(str(each["subject"]))) for each in trusting_the_old.get_ca_certs()}) == 1


def test_a_new_address_makes_a_new_certificate_for_all(folder: HubFolder) -> None:
    from cryptography import x509

    assert certify(folder, (*NAMES, "10.0.0.7"), NOW)
    found = x509.load_pem_x509_certificate(folder.cert.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {
        "192.168.1.2",
        "10.0.0.7",
    }
    assert set(names.get_values_for_type(x509.DNSName)) == {"workstation.local", "localhost"}


def test_keys_are_private(folder: HubFolder) -> None:
    assert {file.stat().st_mode & 0o777 for file in (folder.key, folder.ca_key)} == {0o600}


def test_a_damaged_key_is_a_sentence_and_is_kept(folder: HubFolder) -> None:
    folder.key.write_text("damaged")
    with pytest.raises(BadInput, match="cannot be read"):
        certify(folder, NAMES, NOW)
    assert folder.key.read_text() == "damaged"
