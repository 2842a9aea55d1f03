"""How other hosts reach this one: the address that they are told, and the files for TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError, RelayTls


def test_the_files_for_tls_between_hosts_go_together(tmp_path: Path) -> None:
    assert config_from({}).cluster.relay_tls is None
    given = {name: str(tmp_path / name) for name in ("RELAY_CERT_FILE", "RELAY_KEY_FILE", "RELAY_CA_FILE")}
    with pytest.raises(ConfigError, match=f"RELAY_KEY_FILE: there is no file {given['RELAY_KEY_FILE']}"):
        config_from(given)
    for path in given.values():
        Path(path).write_text("")
    assert config_from(given).cluster.relay_tls == RelayTls(*given.values())
    with pytest.raises(ConfigError, match="RELAY_CA_FILE is missing: RELAY_CERT_FILE, RELAY_KEY_FILE, RELAY_CA_FILE"):
        config_from({**given, "RELAY_CA_FILE": ""})


def test_other_hosts_are_told_an_address_that_they_can_use() -> None:
    assert config_from({}).cluster.advertise == ""
    for given in ("10.0.0.5:8001", "[fd00::5]:8001"):
        assert config_from({"ADVERTISE": given}).cluster.advertise == given
    for given in (
        "10.0.0.5",
        "10.0.0.5:",
        "10.0.0.5:0",
        "fd00::5:8001",
        "[fd00::5]",
        "east:8001",
        "10.0.0.5:x",
        ":8001",
    ):
        with pytest.raises(ConfigError, match="is not an address and a port such as"):
            config_from({"ADVERTISE": given})
    for given in ("0.0.0.0:8001", "[::]:8001"):
        with pytest.raises(ConfigError, match="no address that other hosts can connect to"):
            config_from({"ADVERTISE": given})
    with pytest.raises(ConfigError, match="another port than PORT"):
        config_from({"ADVERTISE": "10.0.0.5:8000"})
