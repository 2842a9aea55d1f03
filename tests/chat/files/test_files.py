"""Files from their first byte to the last: room, a message, who may read them, and their end. On both databases."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts import tokens
from accounts.authentication import Claims, verify_token
from accounts.models import User
from accounts.passes import pass_claims, pass_made
from chat import retention, services
from chat.domain import calls
from chat.domain.errors import ConfirmationRequiredError
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.search import Filters
from chat.files import carrying, giving, replay, sweeping
from chat.files.receiving import Upload, file_alive, file_give_up, file_reserve, file_store
from chat.files.storage import LEFTOVER_S, FileStorage, MissingError
from chat.models import Channel, ChannelMembership, File, Message, Report
from chat.posting.batches import Post, Result, Stored, store_batch
from chat.search.finding import messages_search
from chat.search.indexing import index_now
from chat.selectors import message_by_id, messages_page
from chat.services.leaving import account_leave, account_messages_remove
from reaktor.config.model import Config, Files
from reaktor.errors import (
    ConflictError,
    InvalidError,
    NotAuthenticatedError,
    NotFoundError,
    RateLimitedError,
    ReaktorError,
    TooLargeError,
)
from reaktor.sandbox.pictures import Pictures
from tests.chat.files.conftest import Keep
from tests.support.databases import channel_of, user_ref
from tests.support.pictures import plain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def post(user: UserRef, key: str, *ids: str, text: str = "", nonce: str | None = None) -> Result:
    return store_batch([Post(user, ChannelKey(key), text, nonce, files=tuple(ids))])[0]


def stored(result: Result) -> Stored:
    assert isinstance(result, Stored), result
    return result


def claims(user: UserRef) -> Claims:
    return verify_token(str(tokens.new(tokens.ACCESS, User.objects.get(pk=user.id))))


def may_read(user: UserRef, file_id: str) -> bool:
    try:
        giving.file_readable(claims(user), file_id)
    except NotFoundError:
        return False
    return True


def is_there(storage: FileStorage, file_id: str) -> bool:
    try:
        storage.open(uuid.UUID(file_id)).stream.close()
    except MissingError:
        return False
    return True


def sweep(storage: FileStorage, config: Config, now: datetime | None = None) -> None:
    sweeping.files_forget_old(config.files, now or datetime.now(UTC))
    sweeping.files_note_gone(sweeping.bytes_remove(storage, sweeping.files_to_remove()))


# -- Room ---------------------------------------------------------------------------------------------------------


def test_room_is_reserved_before_the_first_byte(ann: UserRef, keep: Keep) -> None:
    config = Files(max_bytes=100, quota_bytes=150, at_once=2)
    with pytest.raises(TooLargeError):
        file_reserve(user_id=ann.id, size=101, name="a", config=config)
    first = file_reserve(user_id=ann.id, size=60, name="a", config=config)
    with pytest.raises(TooLargeError):
        file_reserve(user_id=ann.id, size=None, name="a", config=config)
    file_reserve(user_id=ann.id, size=60, name="a", config=config)
    with pytest.raises(RateLimitedError):
        file_reserve(user_id=ann.id, size=1, name="a", config=config)
    file_give_up(first)
    file_reserve(user_id=ann.id, size=30, name="a", config=config)


@pytest.mark.parametrize("bounds", [Files(quota_bytes=250, at_once=100), Files(at_once=2)])
def test_who_asks_for_room_in_many_requests_at_once_gets_no_more(ann: UserRef, bounds: Files) -> None:
    def reserve(_: int) -> bool:
        try:
            file_reserve(user_id=ann.id, size=100, name="a", config=bounds)
        except (TooLargeError, RateLimitedError):
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(reserve, range(8))) == 2
    assert File.objects.count() == 2


def test_who_stopped_sending_holds_up_nobody(ann: UserRef) -> None:
    config = Files(at_once=1)
    first = file_reserve(user_id=ann.id, size=60, name="a", config=config)
    File.objects.filter(pk=first).update(alive_at=datetime.now(UTC) - timedelta(minutes=2))
    second = file_reserve(user_id=ann.id, size=60, name="a", config=config)
    file_alive(second)
    with pytest.raises(RateLimitedError):
        file_reserve(user_id=ann.id, size=60, name="a", config=config)


def test_more_than_was_reserved_is_not_taken(ann: UserRef, config: Config, storage: FileStorage) -> None:
    file_id = file_reserve(user_id=ann.id, size=4, name="a", config=config.files)
    upload = Upload(file_id, storage, config.files, 4)
    upload.take(b"1234")
    with pytest.raises(TooLargeError):
        upload.take(b"5")
    upload.discard()
    upload.discard()
    assert not list(storage.incoming.iterdir())


def test_a_hook_may_refuse_a_file(ann: UserRef, config: Config, keep: Keep, tmp_path: Path, settings: Any) -> None:
    scan = tmp_path / "scan"
    scan.write_text('#!/bin/sh\n! grep -q EICAR "$1"\n')
    scan.chmod(0o700)
    object.__setattr__(config.files, "scan_command", str(scan))
    keep(ann, b"harmless")
    with pytest.raises(InvalidError):
        keep(ann, b"X5O!P EICAR test")


# -- Messages -----------------------------------------------------------------------------------------------------


def test_a_file_belongs_to_one_message(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    file, other = keep(ann), keep(ann, b"more", "more.txt")
    message = stored(post(ann, tea, file["id"], other["id"], nonce="1")).message
    assert message["files"] == [file, other]
    assert message_by_id(Channel.objects.get(key=tea).pk, message["id"])["files"] == [file, other]
    assert stored(post(ann, tea, file["id"], nonce="1")).is_duplicate
    assert isinstance(post(ann, tea, file["id"], nonce="2"), ConflictError)


def test_a_message_has_a_file_once_however_its_id_is_spelled(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    file = keep(ann)
    assert isinstance(post(ann, tea, file["id"], file["id"].upper()), ConflictError)
    assert stored(post(ann, tea, file["id"])).message["files"] == [file]


def test_of_two_messages_in_one_commit_the_first_has_the_file(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    file = keep(ann)
    posts = [Post(ann, tea, "", str(nonce), files=(file["id"],)) for nonce in range(2)]
    first, second = store_batch(posts)
    assert isinstance(first, Stored)
    assert isinstance(second, ConflictError)


def test_nobody_sends_what_is_not_theirs_or_not_there(
    ann: UserRef, tea: ChannelKey, keep: Keep, config: Config
) -> None:
    bob = user_ref("bob")
    for file_id in (
        keep(bob)["id"],
        str(uuid.uuid4()),
        "x",
        str(file_reserve(user_id=ann.id, size=1, name="a", config=config.files)),
    ):
        assert isinstance(post(ann, tea, file_id), NotFoundError)
    assert not Message.objects.exists()


def test_a_message_without_files_costs_no_statement_more(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        post(ann, tea, text="hi")
    assert not [each for each in queries if "chat_file" in each["sql"]]
    with CaptureQueriesContext(connection) as queries:
        messages_page(Channel.objects.get(key=tea).pk)
    assert not [each for each in queries if "chat_file" in each["sql"]]


def test_files_come_in_threads_too(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    root_file = keep(ann)["id"]
    root = stored(post(ann, tea, root_file)).message["id"]
    said = [
        Post(ann, tea, "", None, files=(keep(ann)["id"],), thread=root, also_in_channel=also) for also in (False, True)
    ]
    said += [Post(ann, tea, "tea", None, thread=root), Post(ann, tea, "tea", None)]
    replies = [stored(each).message for each in store_batch(said)]
    channel = Channel.objects.get(key=tea)
    for reply in replies:
        # What the thread is now is told by the last one alone.
        seen = message_by_id(channel.pk, reply["id"])
        assert {**seen, "thread_info": None} == {**reply, "thread_info": None}
    assert [len(each.get("files", [])) for each in replies] == [1, 1, 0, 0]
    index_now()
    filters: Filters = {"thread": root, "has": "file"}
    assert len(messages_search(user=ann, q="", filters=filters)["results"]) == 3
    Message.objects.filter(pk=root).update(created_at=datetime.now(UTC) - timedelta(days=40))
    retention.retention_apply(
        retention.retention_find(days=30, messages=0, now=datetime.now(UTC)), rest=lambda seconds: None
    )
    assert not may_read(ann, root_file), "a root that is kept for its replies has no files"
    assert may_read(ann, replies[0]["files"][0]["id"])


def test_a_call_that_is_to_be_confirmed_leaves_the_file_to_be_sent(
    ann: UserRef, tea: ChannelKey, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MANY", 1)
    services.membership_join(user=user_ref("bob"), key=tea)
    file = keep(ann)
    asked = Post(ann, tea, "@channel tea", "n", files=(file["id"],), is_confirmed=False)
    (refused,) = store_batch([asked])
    assert isinstance(refused, ConfirmationRequiredError)
    message = stored(store_batch([asked._replace(is_confirmed=True)])[0]).message
    assert (message["mentions"], message["files"]) == (["channel"], [file])
    assert message_by_id(Channel.objects.get(key=tea).pk, message["id"]) == message


def test_a_message_with_files_may_lose_its_text_and_no_other(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    with_file = stored(post(ann, tea, keep(ann)["id"], text="green")).message
    bare = stored(post(ann, tea, text="green")).message

    def edit(message_id: str, text: str) -> str | None:
        return services.message_edit(user=ann, key=tea, message_id=message_id, text=text, max_chars=9)["text"]

    assert edit(with_file["id"], "") == ""
    for message_id, text in ((bare["id"], ""), (with_file["id"], " ")):
        with pytest.raises(InvalidError):
            edit(message_id, text)
    assert edit(with_file["id"], "black") == "black"
    assert message_by_id(Channel.objects.get(key=tea).pk, with_file["id"])["files"] == with_file["files"]


def test_messages_are_found_by_their_files(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    bare = stored(post(ann, tea, keep(ann)["id"])).message
    named = stored(post(ann, tea, keep(ann)["id"], text="green tea")).message
    post(ann, tea, text="black tea")
    index_now()

    def found(q: str) -> list[str]:
        page = messages_search(user=ann, q=q, filters={"has": "file"})
        return [hit["message"]["id"] for hit in page["results"]]

    assert found("") == [named["id"], bare["id"]]
    assert found("tea") == [named["id"]]
    services.message_delete(user=ann, key=tea, message_id=named["id"])
    assert found("tea") == []


# -- Who may read -------------------------------------------------------------------------------------------------


def test_the_right_is_that_of_the_channel(ann: UserRef, keep: Keep) -> None:
    bob, key = user_ref("bob"), channel_of(ann, "prv-tea", "private")
    file = keep(ann)
    assert may_read(ann, file["id"])
    assert not may_read(bob, file["id"])
    post(ann, key, file["id"])
    assert not may_read(bob, file["id"])
    member = ChannelMembership.objects.create(channel=Channel.objects.get(key=key), user_id=bob.id)
    assert may_read(bob, file["id"])
    member.delete()
    assert not may_read(bob, file["id"])
    assert not may_read(ann, str(uuid.uuid4()))
    assert not may_read(ann, "../../etc/passwd")


def test_a_file_is_read_by_exactly_those_who_are_shown_its_message(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    bob, eve, staff = user_ref("bob"), user_ref("eve"), user_ref("staff", is_staff=True)
    group = services.group_open(user=ann, usernames=["bob", "eve"])[0].channel.key
    direct = services.direct_open(user=ann, username="bob")[0].channel.key
    closed = channel_of(ann, "prv-tea", "private")
    files = {key: keep(ann)["id"] for key in (tea, group, direct, closed)}
    for key, file_id in files.items():
        post(ann, key, file_id)

    def readers(key: ChannelKey) -> list[str]:
        return [user.username for user in (ann, bob, eve, staff) if may_read(user, files[key])]

    assert readers(tea) == ["ann", "bob", "eve", "staff"]
    assert readers(group) == ["ann", "bob", "eve"]
    assert readers(direct) == ["ann", "bob"]
    assert "bob" not in readers(closed)
    services.sanction_issue(user=ann, kind="ban", username="bob", channel=tea)
    assert readers(tea) == ["ann", "eve", "staff"]
    services.sanction_lift_all(user=ann, username="bob", channel=tea)
    assert readers(tea) == ["ann", "bob", "eve", "staff"]
    services.user_block(user=eve, username="ann")
    assert readers(group) == ["ann", "bob"]
    services.membership_leave(user=bob, key=group)
    assert readers(group) == ["ann"]
    services.channel_archive(user=ann, key=tea)
    assert readers(tea) == ["ann", "bob", "eve", "staff"]
    asked = claims(bob)
    User.objects.filter(pk=bob.id).update(is_active=False)
    with pytest.raises(ReaktorError):
        giving.file_readable(asked, files[tea])


def test_addresses_are_of_one_file_and_one_log_in_and_end_after_ten_minutes(
    ann: UserRef, tea: ChannelKey, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, bob = keep(ann), user_ref("bob")
    assert giving.files_signed(claims(bob), bob, [file["id"]]) == []
    claims_of_ann = claims(ann)
    (found,) = giving.files_signed(claims_of_ann, ann, [file["id"], file["id"], "x"])
    assert found["thumb_url"] is None
    now = int(time.time())
    assert 590 <= datetime.fromisoformat(found["expires_at"]).timestamp() - now <= giving.SIGNED_S == 600
    ticket = unquote(found["url"].partition("ticket=")[2])
    assert pass_claims(ticket, giving.purpose_of(file["id"])).login == claims_of_ann.login
    with monkeypatch.context() as later:
        later.setattr("accounts.passes.time.time", lambda: now + giving.SIGNED_S + 1)
        with pytest.raises(NotAuthenticatedError):
            pass_claims(ticket, giving.purpose_of(file["id"]))
    good = pass_made(claims(ann), giving.purpose_of(file["id"]), now + 60)
    asked = pass_claims(good, giving.purpose_of(file["id"]))
    assert (asked.user_id, asked.can_write) == (ann.id, False)
    for raw, purpose in (
        (good, giving.purpose_of(str(uuid.uuid4()))),
        (good, giving.COOKIE_PURPOSE),
        (good[:-1], giving.purpose_of(file["id"])),
        (pass_made(claims(ann), "x", now - 1), "x"),
        ("x" * 5_000, "x"),
    ):
        with pytest.raises(NotAuthenticatedError):
            pass_claims(raw, purpose)


# -- Deletion -----------------------------------------------------------------------------------------------------


def test_with_its_message_a_file_is_out_of_reach_and_then_gone(
    ann: UserRef, tea: ChannelKey, keep: Keep, storage: FileStorage, config: Config
) -> None:
    file = keep(ann)
    message = stored(post(ann, tea, file["id"])).message
    services.message_delete(user=ann, key=tea, message_id=message["id"])
    assert not may_read(ann, file["id"])
    assert "files" not in message_by_id(Channel.objects.get(key=tea).pk, message["id"])
    assert is_there(storage, file["id"])
    sweep(storage, config)
    assert not is_there(storage, file["id"])
    assert sweeping.files_to_remove() == []
    sweep(storage, config, datetime.now(UTC) + timedelta(days=91))
    assert not File.objects.exists()


def test_purges_and_retention_take_files_along(
    ann: UserRef, tea: ChannelKey, keep: Keep, storage: FileStorage, config: Config
) -> None:
    files = [keep(ann)["id"] for _ in range(2)]
    for file_id in files:
        post(ann, tea, file_id)
    staff = user_ref("staff", is_staff=True)
    services.messages_purge(user=staff, username="ann", hours=1)
    assert File.objects.exclude(deleted_at=None).count() == 2
    late = keep(ann)["id"]
    post(ann, tea, late)
    expired = retention.retention_find(days=1, messages=0, now=datetime.now(UTC) + timedelta(days=2))
    retention.retention_apply(expired, rest=lambda seconds: None)
    assert not Message.objects.exists()
    assert not may_read(ann, late)
    sweep(storage, config)
    assert not any(is_there(storage, each) for each in [*files, late])


def test_a_deleted_account_leaves_nothing_unsent(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    sent, unsent = keep(ann)["id"], keep(ann)["id"]
    post(ann, tea, sent)
    account_leave(user_id=UserId(ann.id), removes_messages=False)
    assert list(map(str, File.objects.exclude(deleted_at=None).values_list("pk", flat=True))) == [unsent]


def test_with_a_deleted_account_and_its_messages_its_files_go(ann: UserRef, tea: ChannelKey, keep: Keep) -> None:
    bob = user_ref("bob")
    gone, kept = keep(bob)["id"], keep(ann)["id"]
    post(bob, tea, gone)
    post(ann, tea, kept)
    account_leave(user_id=UserId(bob.id), removes_messages=True)
    while account_messages_remove(user_id=UserId(bob.id)):
        pass
    assert [may_read(ann, each) for each in (gone, kept)] == [False, True]
    assert list(map(str, sweeping.files_to_remove())) == [gone]


def test_what_is_reported_stays_for_moderators_until_it_is_decided(
    ann: UserRef, tea: ChannelKey, keep: Keep, storage: FileStorage, config: Config
) -> None:
    bob, carol = user_ref("bob"), user_ref("carol")
    staff = user_ref("staff", is_staff=True)
    file = keep(bob, b"rude", "rude.txt")
    message = stored(post(bob, tea, file["id"])).message
    services.report_create(user=carol, key=tea, message_id=message["id"], reason="rude")
    assert file["id"] in Report.objects.get().text
    services.message_delete(user=bob, key=tea, message_id=message["id"])
    sweep(storage, config)
    assert is_there(storage, file["id"])
    assert [may_read(who, file["id"]) for who in (bob, carol, ann, staff)] == [False, False, True, True]
    Report.objects.update(resolved_at=datetime.now(UTC))
    assert not may_read(ann, file["id"])
    sweep(storage, config)
    assert not is_there(storage, file["id"])


def test_what_nobody_sent_goes_after_a_day(ann: UserRef, keep: Keep, storage: FileStorage, config: Config) -> None:
    unsent = keep(ann)["id"]
    broken_off = file_reserve(user_id=ann.id, size=9, name="a", config=config.files)
    sweep(storage, config)
    assert may_read(ann, unsent)
    sweep(storage, config, datetime.now(UTC) + timedelta(hours=1))
    assert File.objects.get(pk=broken_off).deleted_at is not None
    sweep(storage, config, datetime.now(UTC) + timedelta(hours=25))
    assert not may_read(ann, unsent)
    assert not is_there(storage, unsent)


def test_what_was_kept_by_a_process_that_died_before_it_said_so_goes(
    ann: UserRef, storage: FileStorage, config: Config
) -> None:
    file_id = file_reserve(user_id=ann.id, size=4, name="a", config=config.files)
    upload = Upload(file_id, storage, config.files, 4)
    upload.take(b"lost")
    upload.sync()
    upload.settle("a", Pictures())
    assert is_there(storage, str(file_id))
    assert not may_read(ann, str(file_id))
    sweep(storage, config, datetime.now(UTC) + timedelta(hours=1))
    assert not is_there(storage, str(file_id))


def test_what_was_kept_after_it_was_given_up_goes(ann: UserRef, storage: FileStorage, config: Config) -> None:
    file_id = file_reserve(user_id=ann.id, size=4, name="a", config=config.files)
    upload = Upload(file_id, storage, config.files, 4)
    upload.take(b"late")
    # It took so long that it was taken for broken off, and removed.
    sweep(storage, config, datetime.now(UTC) + timedelta(hours=1))
    upload.sync()
    settled = upload.settle("a", Pictures())
    with pytest.raises(InvalidError):
        file_store(file_id, settled)
    upload.discard()
    file_give_up(file_id)
    sweep(storage, config)
    assert not is_there(storage, str(file_id))


def test_what_lies_half_sent_since_a_process_died_is_removed(
    ann: UserRef, storage: FileStorage, config: Config
) -> None:
    storage.sweep_incoming()
    old, new = (file_reserve(user_id=ann.id, size=4, name="a", config=config.files) for _ in range(2))
    uploads = [Upload(each, storage, config.files, 4) for each in (old, new)]
    for upload in uploads:
        upload.take(b"ab")
    long_ago = time.time() - LEFTOVER_S - 1
    os.utime(storage.incoming / str(old), (long_ago, long_ago))
    storage.sweep_incoming()
    assert [path.name for path in storage.incoming.iterdir()] == [str(new)]
    for upload in uploads:
        upload.discard()


def test_what_can_not_be_removed_is_tried_again(
    ann: UserRef, keep: Keep, storage: FileStorage, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = keep(ann)["id"]
    File.objects.update(deleted_at=datetime.now(UTC))
    with monkeypatch.context() as patched:
        patched.setattr(storage, "remove", lambda file_id: 1 / 0)
        sweep(storage, config)
    assert is_there(storage, file_id)
    sweep(storage, config)
    sweep(storage, config)
    assert not is_there(storage, file_id)


def test_what_an_older_release_deleted_is_out_of_reach_too(
    ann: UserRef, tea: ChannelKey, keep: Keep, storage: FileStorage, config: Config
) -> None:
    deleted, gone, kept = (keep(ann)["id"] for _ in range(3))
    messages = [stored(post(ann, tea, each)).message["id"] for each in (deleted, gone, kept)]
    Message.objects.filter(pk=messages[0]).update(text="", deleted_at=datetime.now(UTC))
    Message.objects.filter(pk=messages[1]).delete()
    assert [may_read(ann, each) for each in (deleted, gone, kept)] == [False, False, True]
    assert sweeping.files_forget_bereft() == 2
    sweep(storage, config)
    assert [is_there(storage, each) for each in (deleted, gone, kept)] == [False, False, True]


# -- Elsewhere ----------------------------------------------------------------------------------------------------


def test_files_are_carried_out_and_in(
    ann: UserRef, keep: Keep, storage: FileStorage, config: Config, tmp_path: Path
) -> None:
    file = keep(ann, b"carried")
    assert carrying.files_out(storage, tmp_path / "out") == (1, 0)
    storage.remove(uuid.UUID(file["id"]))
    assert carrying.files_out(storage, tmp_path / "empty") == (0, 1)
    assert carrying.files_in(storage, tmp_path / "empty") == (0, 1)
    assert carrying.files_in(storage, tmp_path / "out") == (1, 0)
    assert storage.open(uuid.UUID(file["id"])).stream.read() == b"carried"


def test_a_restore_replays_what_was_deleted_since(
    ann: UserRef, tea: ChannelKey, keep: Keep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, gone = keep(ann), keep(ann)
    message = stored(post(ann, tea, kept["id"], gone["id"])).message
    File.objects.filter(pk=gone["id"]).update(deleted_at=datetime.now(UTC))
    call_command("file_deletions")
    listed = tmp_path / "list"
    listed.write_text(capsys.readouterr().out)
    assert listed.read_text().split() == [gone["id"]]
    # The database is as it was before.
    File.objects.filter(pk=gone["id"]).update(deleted_at=None)
    assert may_read(ann, gone["id"])
    call_command("file_deletions", replay=listed)
    assert not may_read(ann, gone["id"])
    assert message_by_id(Channel.objects.get(key=tea).pk, message["id"])["files"] == [kept]
    assert replay.files_delete_again([uuid.UUID(gone["id"])]) == 0


def test_bytes_that_a_restored_database_knows_nothing_of_are_found_and_removed(
    ann: UserRef, keep: Keep, storage: FileStorage, settings: Any, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.REAKTOR = config
    call_command("file_orphans")
    assert capsys.readouterr().out == "", "nothing was ever kept"
    known, later, gone = keep(ann)["id"], keep(ann, plain("PNG"))["id"], keep(ann)["id"]
    File.objects.filter(pk=later).delete()
    File.objects.filter(pk=gone).update(deleted_at=datetime.now(UTC), gone_at=datetime.now(UTC))
    call_command("file_orphans")
    assert sorted(capsys.readouterr().out.split()) == sorted([later, gone])
    assert is_there(storage, later)
    call_command("file_orphans", remove=True)
    assert [is_there(storage, each) for each in (known, later, gone)] == [True, False, False]
    assert list(storage.ids()) == [uuid.UUID(known)]
