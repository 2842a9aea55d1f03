"""The files for TLS between hosts: good ones are taken, of others it is said what is wrong before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from reaktor.config.model import RelayTls
from reaktor.process.relay_tls import RelayTlsError, check
from tests.support.certificates import certificates


def files(folder: Path, *, days: float = 1) -> RelayTls:
    folder.mkdir(exist_ok=True)
    authority, certificate, key = certificates(folder, days=days)
    return RelayTls(str(certificate), str(key), str(authority))


@pytest.fixture
def good(tmp_path: Path) -> RelayTls:
    return files(tmp_path / "good")


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_a_certificate_for_our_address_by_the_authority_of_all_is_good(good: RelayTls, address: str) -> None:
    check(good, address)


def test_one_that_others_would_not_take_is_refused_with_the_reason(tmp_path: Path, good: RelayTls) -> None:
    other, old = files(tmp_path / "other"), files(tmp_path / "old", days=-1)
    for given, address, reason in (
        (good, "10.0.0.5", "whose address is 10.0.0.5, .*IP address mismatch"),
        (good, "::1", "whose address is ::1, .*IP address mismatch"),
        (RelayTls(good.cert_file, good.key_file, other.ca_file), "127.0.0.1", "by RELAY_CA_FILE .*certificate"),
        (old, "127.0.0.1", "certificate has expired"),
    ):
        with pytest.raises(RelayTlsError, match=reason):
            check(given, address)


def test_files_that_are_none_are_refused_and_nobody_is_asked_for_a_password(tmp_path: Path, good: RelayTls) -> None:
    other = files(tmp_path / "other")
    key = serialization.load_pem_private_key(Path(good.key_file).read_bytes(), None)
    locked, junk, gone = tmp_path / "locked.key", tmp_path / "junk.pem", tmp_path / "gone.pem"
    cipher = serialization.BestAvailableEncryption(b"hush")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))
    junk.write_text("junk")
    for given in (other.key_file, str(locked), str(junk), str(gone), good.cert_file):
        with pytest.raises(RelayTlsError, match="RELAY_CERT_FILE and RELAY_KEY_FILE are not a certificate and its key"):
            check(RelayTls(good.cert_file, given, good.ca_file), "")
    for given in (str(junk), str(gone), os.devnull):
        with pytest.raises(RelayTlsError, match="RELAY_CA_FILE is no certificate in PEM"):
            check(RelayTls(good.cert_file, good.key_file, given), "")
