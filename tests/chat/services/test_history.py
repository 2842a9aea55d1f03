"""A restored database begins a new history by itself, so that clients drop what is no more."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from chat.models import History
from chat.selectors import history_epoch
from chat.services import history_begin, history_settle
from reaktor.db.identity import database_identity
from tests.reaktor.test_settings import finish, start
from tests.support.databases import own_database, postgresql_url
from tests.support.server import LiveServer

TABLE = History._meta.db_table


@pytest.mark.django_db
class TestSettling:
    def test_the_first_start_and_those_after_it_keep_the_epoch(self) -> None:
        before = history_epoch()
        assert not history_settle()
        assert History.objects.get().home == database_identity(TABLE)
        assert not history_settle()
        assert history_epoch() == before

    def test_another_database_begins_a_new_one_once(self) -> None:
        """After a restore clients kept messages that were gone, and dropped new ones that had their numbers."""
        History.objects.update(home="another database")
        before = history_epoch()
        assert history_settle()
        epoch = history_epoch()
        assert epoch != before
        assert not history_settle()
        assert history_epoch() == epoch

    def test_a_copy_that_nothing_tells_from_its_original_is_told(self) -> None:
        history_settle()
        before = history_epoch()
        history_begin()
        assert history_epoch() != before


def manage(directory: Path, *words: str, url: str = "") -> str:
    variables = {"DATA_DIR": str(directory), **({"DATABASE_URL": url} if url else {})}
    code, said = finish(start("manage.py", *words, settings="local", **variables))
    assert code == 0, said
    return said


SETTLE = """
from chat import selectors, services
print(services.history_settle(), selectors.history_epoch())
"""


def settled(directory: Path, url: str = "") -> tuple[str, str]:
    """(whether a new history began, its epoch), as a start of the server finds it."""
    began, epoch = manage(directory, "shell", "-v0", "-c", SETTLE, url=url).split()
    return began, epoch


if connection.vendor == "sqlite":

    def test_what_backup_wrote_and_restore_puts_back_is_another_history(
        migrated_server: LiveServer, tmp_path: Path
    ) -> None:
        """The page on running it left this to the reader, who forgot it."""
        shutil.copytree(migrated_server.data_dir, tmp_path, dirs_exist_ok=True)
        _, epoch = settled(tmp_path)
        manage(tmp_path, "backup", str(tmp_path / "copy"))
        database = tmp_path / "reaktor.sqlite3"
        with closing(sqlite3.connect(database)) as later:
            later.execute("UPDATE chat_channel SET name = 'Later'")
            later.commit()
        said = manage(tmp_path, "restore", str(tmp_path / "copy"))
        assert "What was there before is now" in said
        began, restored = settled(tmp_path)
        assert (began, restored == epoch) == ("False", False)
        with closing(sqlite3.connect(database)) as now:
            assert now.execute("SELECT count(*) FROM chat_channel WHERE name = 'Later'").fetchone() == (0,)
        (kept,) = tmp_path.glob("reaktor.sqlite3.before-*[0-9]")
        with closing(sqlite3.connect(kept)) as before:
            assert before.execute("SELECT count(*) FROM chat_channel WHERE name = 'Later'").fetchone() != (0,)

    @pytest.mark.long
    def test_a_copy_that_is_written_over_the_database_by_hand_is_seen_at_the_next_start(
        migrated_server: LiveServer, tmp_path: Path
    ) -> None:
        shutil.copytree(migrated_server.data_dir, tmp_path, dirs_exist_ok=True)
        _, epoch = settled(tmp_path)
        manage(tmp_path, "backup", str(tmp_path / "copy"))
        # The file stays the same one, as with cp.
        (tmp_path / "reaktor.sqlite3").write_bytes((tmp_path / "copy").read_bytes())
        began, restored = settled(tmp_path)
        assert (began, restored == epoch) == ("True", False)

    @pytest.mark.long
    def test_no_database_is_replaced_by_what_is_none_or_beside_a_server(
        migrated_server: LiveServer, tmp_path: Path
    ) -> None:
        shutil.copytree(migrated_server.data_dir, tmp_path, dirs_exist_ok=True)
        (tmp_path / "junk").write_text("no database")
        run = tmp_path / "run" / "8000"
        run.mkdir(parents=True)
        for pid, file, why in ((0, "junk", "The backup failed"), (os.getpid(), "copy", "Stop it first")):
            if pid:
                (run / "supervisor.json").write_text(f'{{"pid": {pid}, "port": 8000}}')
            code, said = finish(
                start("manage.py", "restore", str(tmp_path / file), settings="local", DATA_DIR=str(tmp_path))
            )
            assert (code, why in said, "Traceback" in said) == (1, True, False), said
        assert settled(tmp_path)[0] == "False"
        assert not list(tmp_path.glob("*before*"))


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=60, stdout=subprocess.DEVNULL)


if connection.vendor == "sqlite" and (URL := postgresql_url()) is not None:

    @pytest.mark.parametrize("is_elsewhere", [True, False], ids=["into another database", "into the same one"])
    @pytest.mark.long
    def test_a_dump_that_was_read_back_is_seen_at_the_next_start(tmp_path: Path, is_elsewhere: bool) -> None:
        name = f"reaktor_history_{os.getpid()}"
        with own_database(URL, name) as url, own_database(URL, f"{name}_there") as there:
            manage(tmp_path, "migrate", "-v0", url=url)
            _, epoch = settled(tmp_path, url)
            assert settled(tmp_path, url) == ("False", epoch)
            dump, target = str(tmp_path / "dump"), there if is_elsewhere else url
            run("pg_dump", "--file", dump, *(() if is_elsewhere else ("--clean",)), url)
            run("psql", "-qXv", "ON_ERROR_STOP=1", "-f", dump, target)
            began, restored = settled(tmp_path, target)
            assert (began, restored == epoch) == ("True", False)
