"""Everything out, into an empty database, out again: the same; from one kind of database into the other, too."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection, connections

from accounts import names
from accounts.models import User
from chat import selectors
from chat.domain.ids import ChannelKey
from chat.models import (
    Message,
)
from chat.moving import backup
from chat.posting.batches import Post, Stored, store_batch
from tests.support.databases import channel_of, own_database, postgresql_url, user_ref
from tests.support.everything import store_everything

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def everything() -> None:
    store_everything()


def exported(path: Path) -> list[dict[str, Any]]:
    call_command("export_chat", "--output", str(path), stderr=StringIO(), skip_checks=True)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def imported(*arguments: str) -> str:
    out = StringIO()
    call_command("import_chat", *arguments, stdout=out, skip_checks=True)
    return out.getvalue()


def test_out_and_in_and_out_again_is_the_same_under_a_new_epoch(everything: None, tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl"
    header, *rows = exported(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(count > 0 for count in header["tables"].values()), "the test has something of everything"
    assert rows[-1] == {"end": sum(header["tables"].values())}
    with pytest.raises(CommandError, match="not empty"):
        imported(str(file))
    call_command("flush", "--no-input", verbosity=0)
    channel_of(None, "general")  # what migrations leave in a new database
    imported(str(file))
    again, *same = exported(tmp_path / "again.jsonl")
    assert same == rows
    assert again["tables"] == header["tables"]
    assert again["epoch"] != header["epoch"] == str(header["epoch"])
    assert again["epoch"] == selectors.history_epoch()
    # The counters go on behind what was imported.
    ann = user_ref("dora")
    channel_of(ann, "new")
    (stored,) = store_batch([Post(ann, ChannelKey("tea"), "and on", None)])
    assert isinstance(stored, Stored)
    assert (stored.message["number"], stored.message["seq"]) == (6, 9)


def test_told_to_replace_it_deletes_what_is_here_whatever_refers_to_it(everything: None, tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl"
    _, *rows = exported(file)
    eve = User.objects.create_superuser("eve", "secret1")
    LogEntry.objects.create(user=eve, action_flag=1, object_repr="x")
    Message.objects.filter(number=1).update(text="changed")
    assert "Imported: " in imported(str(file), "--replace")
    assert exported(tmp_path / "again.jsonl")[1:] == rows


def test_what_is_made_of_names_is_made_anew_of_a_file_of_any_version(everything: None, tmp_path: Path) -> None:
    """A table of look-alikes of another version makes other skeletons."""
    file = tmp_path / "backup.jsonl"
    rows = exported(file)
    for row in rows:
        if "accounts.user" in row:
            row["accounts.user"] |= {"username_folded": "?", "username_skeleton": "?"}
            if row["accounts.user"]["username"] == "bob":
                del row["accounts.user"]["username_folded"], row["accounts.user"]["username_skeleton"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported(str(file), "--replace")
    assert User.objects.exists()
    for user in User.objects.all():
        made = names.folded(user.username), names.skeleton(user.username)
        assert (user.username_folded, user.username_skeleton) == made


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda lines: lines[:-1], "ends too early"),
        (lambda lines: [*lines[:5], lines[5][:20]], "is no JSON"),
        (lambda lines: [lines[0], '{"chat.nothing": {}}', *lines[1:]], "no table of this version"),
        (lambda lines: [lines[0], '{"accounts.user": {"shoe_size": 4}}', *lines[1:]], "has no column 'shoe_size'"),
        (lambda lines: [lines[0], '{"accounts.user": {"id": "x"}}', *lines[1:]], "a value that"),
        (lambda lines: [lines[0], lines[1], lines[1], *lines[2:]], "The database refuses it"),
        (lambda lines: [lines[0].replace('"reaktor_export":1', '"reaktor_export":9'), *lines[1:]], "format 9"),
        (lambda lines: ["{}"], "no export"),
        (lambda lines: [*lines, lines[1]], "more behind the end"),
    ],
    ids=["end", "json", "table", "column", "value", "twice", "version", "header", "behind"],
)
def test_a_file_that_is_not_whole_or_not_ours_changes_nothing(
    everything: None, tmp_path: Path, change: Any, why: str
) -> None:
    file, broken = tmp_path / "backup.jsonl", tmp_path / "broken.jsonl"
    before = exported(file)
    broken.write_text("\n".join(change(file.read_text().split("\n")[:-1])) + "\n")
    with pytest.raises(CommandError, match=why) as caught:
        imported(str(broken), "--replace")
    assert str(caught.value).endswith("Nothing was changed.")
    assert exported(file)[1:] == before[1:]
    assert not (tmp_path / "backup.jsonl.part").exists()


def test_every_table_of_ours_is_in_it() -> None:
    ours = {model for app in backup.APPS for model in apps.get_app_config(app).get_models()}
    assert ours - set(backup.tables()) == backup.LEFT_OUT
    order = backup.tables()
    for place, model in enumerate(order):
        assert backup._refers(model) & set(order[place:]) == set()


def test_what_is_said_meanwhile_is_not_in_it_and_does_not_wait(everything: None) -> None:
    said: list[object] = []

    def say() -> None:
        try:
            (stored,) = store_batch([Post(user_ref("dora"), ChannelKey("tea"), "meanwhile", None)])
            said.append(stored)
        finally:
            connections.close_all()

    with backup.snapshot():
        counts = backup.counted()
        thread = threading.Thread(target=say)
        thread.start()
        thread.join(10)
        assert len(said) == 1
        assert isinstance(said[0], Stored)
        rows = list(backup.lines(counts))
    assert len(rows) == sum(counts.values()) + 2
    assert not any(b"meanwhile" in row for row in rows)
    assert Message.objects.filter(text="meanwhile").exists()


def test_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Can't read"):
        imported(str(tmp_path / "none"))
    with pytest.raises(CommandError, match="Can't write"):
        call_command("export_chat", "--output", str(tmp_path / "none" / "x"), stderr=StringIO(), skip_checks=True)


_THERE_AND_BACK = """
import django, sys
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("import_chat", sys.argv[1])
call_command("export_chat", "--output", sys.argv[2])
"""

if connection.vendor == "sqlite" and (URL := postgresql_url()) is not None:

    def test_from_sqlite_into_postgresql(everything: None, tmp_path: Path) -> None:
        file, there = tmp_path / "backup.jsonl", tmp_path / "there.jsonl"
        _, *rows = exported(file)
        with own_database(URL, f"reaktor_moved_{os.getpid()}") as url:
            environment = {
                **os.environ,
                "DATABASE_URL": url,
                "DATA_DIR": str(tmp_path),
                "DJANGO_SETTINGS_MODULE": "reaktor.settings.local",
            }
            command = [sys.executable, "-c", _THERE_AND_BACK, str(file), str(there)]
            subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
        assert [json.loads(line) for line in there.read_bytes().splitlines()][1:] == rows
