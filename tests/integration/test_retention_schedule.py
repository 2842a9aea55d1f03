"""What the supervisor starts now and then really is the command, on the server's own database."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from chat.management.commands.runcluster import retention
from reaktor.config.environment import config_from
from reaktor.config.model import Config, ConfigError, Retention
from reaktor.config.redis_at import RedisAt
from tests.support.server import LiveServer
from tests.support.waiting import until


async def test_the_supervisors_chore_deletes_what_is_past_the_servers_rule(
    prepared_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = tmp_path / "data"
    shutil.copytree(prepared_server.data_dir, data)
    with sqlite3.connect(data / "reaktor.sqlite3") as database:
        database.execute(
            "INSERT INTO chat_message (id, channel_id, author_id, number, seq, changed_seq, text, created_at) SELECT "
            "'00000000000000000000000000000001', c.id, u.id, 1, 1, 1, 'old', '2020-01-01 00:00:00' "
            "FROM chat_channel c, accounts_user u WHERE c.key = 'general' LIMIT 1"
        )
        database.execute("UPDATE chat_channel SET seq = 1, number = 1 WHERE key = 'general'")
    for name in ("DATABASE_URL", "TEST_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "reaktor.settings.local")
    monkeypatch.setenv("RETENTION_DAYS", "30")
    config = replace(Config(data), retention=Retention(interval_s=0.01))
    life = asyncio.create_task(retention(config, RedisAt("redis://127.0.0.1:1/0")).run())
    await until(lambda: "general: 1 message" in caplog.text and "retention ended with code 0" in caplog.text, 30)
    life.cancel()
    with suppress(asyncio.CancelledError):
        await life
    with sqlite3.connect(data / "reaktor.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM chat_message").fetchone() == (0,)
        assert database.execute("SELECT floor_seq, number FROM chat_channel WHERE key = 'general'").fetchone() == (1, 1)


def test_the_settings_have_units_and_say_what_is_wrong_with_them() -> None:
    given = {
        "RETENTION_DAYS": "0",
        "RETENTION_MESSAGES": "500",
        "RETENTION_INTERVAL": "6h",
        "METRICS_ALLOW": "10.0.0.0/8",
    }
    config = config_from(given)
    assert config.retention == Retention(days=0, messages=500, interval_s=21_600.0)
    assert [str(network) for network in config.metrics_allow] == ["10.0.0.0/8"]
    with pytest.raises(ConfigError, match=r"METRICS_ALLOW: 'everybody'.*RETENTION_DAYS='-1'"):
        config_from({"METRICS_ALLOW": "everybody", "RETENTION_DAYS": "-1"})
