"""A few faults on three real hosts: those that guard most. `make chaos-hosts` brings all of them, again and again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.chaos import ACCOUNTS, SENTINELS, environment, impossible
from tests.faults.driver import play
from tests.faults.history import BACK_S, History
from tests.faults.laws import check
from tests.faults.network import RefusedError
from tests.faults.releases import ROOT, this_release
from tests.faults.schedule import TEMPLATES, Fault, Kind, Role, timed
from tests.faults.stage import NAMES, Stage, stage
from tests.support.frames import other_release

pytestmark = pytest.mark.cluster

GUARDING_MOST = (
    Fault(Kind.HOST_STOPPED, Role.HOLDER, for_s=10.0),
    Fault(Kind.CUT_FROM_REDIS, Role.FIRST, for_s=7.0, is_silent=True),
    Fault(Kind.REDIS_FAILS_OVER),
    Fault(Kind.POSTGRESQL_RESTARTED),
    Fault(Kind.HOST_KILLED, Role.FIRST),
)


# What is promised is held to by `make chaos-hosts`; a slow machine may take five times as long.
BACK_SLOWLY_S = 5 * BACK_S


@contextmanager
def staged(first: Callable[[Path], Path]) -> Iterator[tuple[Stage, Path]]:
    """The hosts, and where their processes record. `first`: makes the tree of the release that they begin with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        records = folder / "records"
        try:
            given, tree = environment(records), first(folder)
            with stage(folder, accounts=ACCOUNTS, sentinels=SENTINELS, can_step=True, first=tree, **given) as found:
                yield found, records
        except RefusedError as error:
            pytest.skip(str(error))


def here(folder: Path) -> Path:
    return ROOT


def played(faults: Sequence[Fault], first: Callable[[Path], Path] = here) -> History:
    with staged(first) as (found, records):
        history = asyncio.run(play(found, timed(faults, 0.0), records, tell=print))
        history.back_s = BACK_SLOWLY_S
        return history


def test_the_laws_hold_through_the_faults_that_guard_most() -> None:
    assert check(played(GUARDING_MOST)) == {}


@pytest.mark.long
@pytest.mark.parametrize("role", [Role.HOLDER, Role.FIRST])
def test_the_laws_hold_through_each_fault_of_a_host(role: Role) -> None:
    faults = [each for each in TEMPLATES if each.target is role and each.kind not in impossible()]
    assert check(played(faults)) == {}


@pytest.mark.long
def test_the_laws_hold_while_one_host_after_another_gets_the_next_release() -> None:
    """From the last release to ours, whose processes say things in the next version."""
    with other_release():
        assert check(played([Fault(Kind.UPGRADED, Role.NEXT)] * len(NAMES), this_release)) == {}


@pytest.mark.long
def test_the_laws_hold_while_postgresql_is_away() -> None:
    faults = [each for each in TEMPLATES if each.kind is Kind.POSTGRESQL_AWAY]
    assert check(played(faults)) == {}
