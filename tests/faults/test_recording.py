"""What a process records is what its replicas did, in their order, and is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.membership.protocol import Batch, Connected, Mandate, Position, Snapshot
from chat.membership.replica import Replica
from tests.faults import recording
from tests.support.membership import FIRST, session_info


def test_each_step_of_a_replica_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("offer", "restore", "follow"):
        monkeypatch.setattr(Replica, name, getattr(Replica, name))  # put back at the end
    recording.install(tmp_path)
    replica = Replica(FIRST)
    replica.follow(Mandate(7, "seven"))
    replica.restore(Snapshot(Position(7, 1), (), "seven"), 0.0)
    replica.offer(Batch(7, 2, (Connected(session_info("s1", "ann", FIRST)),), (), "seven"), 0.0)
    replica.offer(Batch(7, 2, (Connected(session_info("s1", "ann", FIRST)),), (), "seven"), 0.0)
    replica.follow(Mandate(8, "eight"))
    found = recording.read(tmp_path)
    assert [(each.epoch, each.followed) for each in found] == [(7, 7), (7, 7), (7, 7), (8, 8)]
    assert len({each.replica for each in found}) == 1
