"""When runcluster starts workers, when it is one process, and when it refuses to be."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from chat.management.commands import runcluster
from chat.management.commands.runcluster import must_be_alone, retention
from chat.models import ClusterIdentity
from reaktor.cluster.composition import worker_environment
from reaktor.cluster.failures import RedisUnavailableError
from reaktor.config.environment import config_from
from reaktor.config.model import Cluster, Config
from reaktor.config.redis_at import RedisAt


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> str:
        raise RedisUnavailableError("There is none.")

    monkeypatch.setattr(runcluster, "find_executable", find)


def config(*, workers: int = 3, are_given: bool = False, redis: RedisAt | None = None) -> Config:
    cluster = Cluster(workers=workers, are_workers_given=are_given)
    return Config(Path("/data"), redis=redis, cluster=cluster)


@pytest.mark.parametrize("is_production", [False, True])
def test_with_a_redis_there_are_workers(monkeypatch: pytest.MonkeyPatch, is_production: bool) -> None:
    monkeypatch.setattr(runcluster, "find_executable", lambda: "/usr/bin/redis-server")
    assert must_be_alone(config(), is_production=is_production) is False


@pytest.mark.usefixtures("no_redis")
@pytest.mark.parametrize("is_production", [False, True])
def test_a_redis_that_is_named_is_taken_at_its_word(is_production: bool) -> None:
    given = config(are_given=True, redis=RedisAt("redis://elsewhere:6379/0"))
    assert must_be_alone(given, is_production=is_production) is False


@pytest.mark.usefixtures("no_redis")
@pytest.mark.parametrize(("workers", "are_given"), [(3, False), (1, True)])
def test_without_one_it_is_one_process_unless_more_were_asked_for(workers: int, are_given: bool) -> None:
    assert must_be_alone(config(workers=workers, are_given=are_given), is_production=False) is True


@pytest.mark.usefixtures("no_redis")
def test_workers_that_were_asked_for_are_not_left_out_without_a_word() -> None:
    with pytest.raises(RedisUnavailableError, match=r"^3 workers need a Redis.*or ask for one worker\.$"):
        must_be_alone(config(are_given=True), is_production=False)


@pytest.mark.usefixtures("no_redis")
def test_production_does_not_become_one_process_unseen() -> None:
    with pytest.raises(RedisUnavailableError, match="There is none"):
        must_be_alone(config(workers=1), is_production=True)


@pytest.mark.parametrize(("variables", "are_given"), [({}, False), ({"WORKERS": " "}, False), ({"WORKERS": "1"}, True)])
def test_it_is_known_whether_somebody_asked_for_workers(variables: dict[str, str], are_given: bool) -> None:
    assert config_from(variables).cluster.are_workers_given is are_given


def test_retention_of_one_process_finds_its_server_by_the_run_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    given = replace(config(), cluster=Cluster(port=8123))
    environment = retention(given, None).environment
    assert "REDIS_URL" not in environment
    assert (environment["DATA_DIR"], environment["PORT"]) == ("/data", "8123")


@pytest.mark.django_db
def test_a_cluster_has_the_name_that_its_database_gives_it_until_it_is_renamed() -> None:
    before = runcluster.read_cluster_id()
    assert re.fullmatch("[0-9a-f]{16}", before)
    said = io.StringIO()
    call_command("new_cluster_id", stdout=said)
    after = runcluster.read_cluster_id()
    assert after != before
    assert after in said.getvalue()


@pytest.mark.django_db
def test_a_database_that_is_not_prepared_is_said_in_a_sentence() -> None:
    ClusterIdentity.objects.all().delete()
    with pytest.raises(CommandError, match=r"not ready for this version: run `manage\.py prepare` first"):
        runcluster.read_cluster_id()


def test_workers_are_told_the_name_of_their_cluster() -> None:
    given = replace(config(), cluster_id="0123456789abcdef")
    assert worker_environment(given, None, {})["REAKTOR_CLUSTER_ID"] == "0123456789abcdef"
    assert "REAKTOR_CLUSTER_ID" not in worker_environment(config(), None, {})
