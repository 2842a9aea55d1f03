"""Backups of an SQLite database beside a live writer."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reaktor.db.backup import BackupError, copy_sqlite
from tests.reaktor.test_settings import finish, start


@pytest.fixture
def live(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with 1,000 committed rows, and a transaction that has written one more."""
    with closing(sqlite3.connect(tmp_path / "live.sqlite3", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE said (number)")
        writer.executemany("INSERT INTO said VALUES (?)", [(number,) for number in range(1_000)])
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO said VALUES (1000)")
        yield writer


def test_a_backup_is_whole_and_private_and_holds_up_no_writer(live: sqlite3.Connection, tmp_path: Path) -> None:
    path = tmp_path / "copies" / "first.sqlite3"
    path.parent.mkdir()
    assert copy_sqlite(tmp_path / "live.sqlite3", path) == path.stat().st_size
    live.execute("COMMIT")
    with closing(sqlite3.connect(path)) as copy:
        assert copy.execute("SELECT count(*), max(number) FROM said").fetchone() == (1_000, 999)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["first.sqlite3"]


def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(live: sqlite3.Connection, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(BackupError, match="is there already"):
        copy_sqlite(tmp_path / "live.sqlite3", tmp_path / "there")
    with pytest.raises(BackupError, match="no database at"):
        copy_sqlite(tmp_path / "nowhere", tmp_path / "new")
    with pytest.raises(BackupError, match="failed"):
        copy_sqlite(tmp_path / "live.sqlite3", tmp_path / "nowhere" / "new")


def test_no_copy_is_made_of_a_damaged_database(tmp_path: Path) -> None:
    source = tmp_path / "damaged.sqlite3"
    with closing(sqlite3.connect(source, isolation_level=None)) as database:
        database.execute("CREATE TABLE said (text)")
        database.execute("INSERT INTO said VALUES ('what was said')")
        database.execute("CREATE INDEX said_text ON said (text)")
    # The row now says something that its index does not: every page can be read, and the whole is wrong.
    source.write_bytes(source.read_bytes().replace(b"what was said", b"what was sold", 1))
    with pytest.raises(BackupError, match="is damaged"):
        copy_sqlite(source, tmp_path / "copy.sqlite3")
    assert [found.name for found in tmp_path.iterdir()] == ["damaged.sqlite3"]


def test_on_postgresql_the_command_says_what_to_use_instead(tmp_path: Path) -> None:
    url = "postgres://me@127.0.0.1:1/chat"
    command = start(
        "manage.py", "backup", str(tmp_path / "x"), settings="local", DATA_DIR=str(tmp_path), DATABASE_URL=url
    )
    code, said = finish(command)
    assert (code, "pg_dump" in said, "Traceback" in said) == (1, True, False)
