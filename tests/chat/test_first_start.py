"""What keeps a server from starting is said in one sentence, before anything is changed or started."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reaktor.test_settings import finish, start
from tests.support.ports import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_found_before_the_database_is_migrated(tmp_path: Path, taken_port: int) -> None:
    """`make run` migrated for seconds, and then said that the port is in use."""
    code, said = finish(
        start("manage.py", "runcluster", "--migrate", settings="local", DATA_DIR=str(tmp_path), PORT=str(taken_port))
    )
    assert (code, said) == (
        1,
        f"CommandError: Can't listen on 127.0.0.1 port {taken_port}: the port is already in use. "
        f"PORT={taken_port + 1} chooses another one.\n",
    )
    assert not (tmp_path / "reaktor.sqlite3").exists()


@pytest.mark.parametrize(
    "words",
    [("runcluster",), ("runcluster", "--migrate"), ("moderate", "ban", "ada", "--reason", "spam"), ("migrate",)],
    ids=" ".join,
)
def test_a_database_that_is_away_is_one_sentence_in_every_command(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It was a traceback of sixty lines and more."""
    port = free_port()
    url = f"postgres://me:hush@127.0.0.1:{port}/chat"
    environment = {"DATA_DIR": str(tmp_path), "DATABASE_URL": url, "PORT": str(free_port())}
    code, said = finish(start("manage.py", *words, settings="local", **environment))
    assert code == 1
    assert len(said.splitlines()) == 1
    assert f"PostgreSQL at 127.0.0.1:{port} does not let us in (" in said
    assert "hush" not in said


def test_a_failure_of_a_database_that_is_there_keeps_its_traceback(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "reaktor.sqlite3") as database:
        database.execute("CREATE TABLE accounts_user (id int)")
    code, said = finish(start("manage.py", "changepassword", "ada", settings="local", DATA_DIR=str(tmp_path)))
    assert code == 1
    assert "Traceback" in said


def test_a_database_without_tables_is_said_so(tmp_path: Path) -> None:
    environment = {"DATA_DIR": str(tmp_path), "PORT": str(free_port())}
    code, said = finish(start("manage.py", "runcluster", settings="local", **environment))
    assert code == 1
    assert said.splitlines()[-1] == (
        "CommandError: The database has not the tables of this version: run manage.py prepare."
    )
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "url", ["postgresq://me:hush@db/chat", "mysql://me:hush@db/chat", "hush", "postgres://me:hush@db:54x/chat"]
)
def test_a_mistyped_database_url_is_one_sentence_without_the_password(tmp_path: Path, url: str) -> None:
    """Django said in its own words which of its backends exist."""
    code, said = finish(start("manage.py", "runcluster", settings="local", DATA_DIR=str(tmp_path), DATABASE_URL=url))
    assert (code, len(said.splitlines())) == (1, 1)
    assert said.startswith("The settings are wrong: DATABASE_URL ")
    assert "hush" not in said


def test_a_reader_that_has_read_enough_ends_a_command_without_a_complaint(tmp_path: Path) -> None:
    """`manage.py export_user ada | head` ended with a traceback."""
    # Both ways: what fills the pipe while the command runs, and what is written at its end.
    for words in (("settings_reference",), ("shell", "-v", "0", "-c", "print('x' * 1_000_000)")):
        process = start("manage.py", *words, settings="local", DATA_DIR=str(tmp_path))
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == ("", 1)
        process.stderr.close()
