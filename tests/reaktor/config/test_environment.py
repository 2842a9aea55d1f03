"""Every variable is there, and only here."""

from __future__ import annotations

import re
from pathlib import Path

from reaktor.config.environment import variables

ROOT = Path(__file__).resolve().parents[3]


def test_every_variable_is_there_once_and_no_module_reads_one_behind_their_back() -> None:
    names = [variable.name for variable in variables()]
    assert len(names) == len(set(names))
    for name in ("PORT", "WORKERS", "JWT_SECRET", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PORT_6379_TCP_ADDR"):
        assert name in names, "the replaced server read it"
    read = re.compile(r"environ(?:\.get\(|\[|\.setdefault\()\s*\"(\w+)\"")
    elsewhere = {
        (name, path.name)
        for package in ("reaktor", "accounts", "chat")
        for path in (ROOT / package).rglob("*.py")
        for name in read.findall(path.read_text())
    }
    # Set by the server itself, or for its tests.
    own = {"REAKTOR_WORKER", "REAKTOR_HOST", "REAKTOR_CLUSTER_ID", "DJANGO_SETTINGS_MODULE", "DATA_DIR"}
    # Production's own default, and local's.
    own |= {"TEST_DATABASE_URL", "STAFF_TOTP", "BIND", "REGISTRATION", "EMAIL_URL"}
    assert {name for name, _ in elsewhere} <= own
