"""Taking over from a Redis as the replaced server left it: everything once, in order, whatever happens in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections

from accounts import importing
from accounts.models import User
from accounts.services import user_authenticate
from chat import selectors
from chat.domain.ids import ChannelKey
from chat.models import Channel, Message
from chat.posting.batches import Post, store_batch
from reaktor.db.exclusive import exclusive
from tests.support.databases import channel_of, user_ref
from tests.support.seed_redis import SeedRedis, is_whole, message, texts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_people_log_in_with_their_passwords_and_find_what_they_said(old: SeedRedis, run: Any) -> None:
    old.users(["ada", "bob"])
    old.channels([{"key": "tea", "name": "Tea"}, {"key": "cake", "name": "Cake"}])
    old.channels([{"key": "secret", "name": "Secret"}], "_private")
    old.messages("tea", [message("one", "ada", "2017-01-02T03:04:05.678Z"), message("two", "bob")])
    old.messages("k3y1nv3nt3d", [message("psst", "bob")])
    said = run()
    assert user_authenticate(username="ada", password="secret1", address="127.0.0.1").username == "ada"
    assert texts("tea") == ["one", "two"]
    assert Message.objects.get(text="one").created_at == datetime(2017, 1, 2, 3, 4, 5, 678_000, UTC)
    assert Message.objects.get(text="two").author.username == "bob"
    kinds = dict(Channel.objects.filter(is_default=False).order_by("id").values_list("key", "kind"))
    assert kinds == {"tea": "public", "cake": "public", "secret": "unlisted", "k3y1nv3nt3d": "unlisted"}
    assert list(kinds)[:2] == ["tea", "cake"], "the oldest first"
    assert "Not taken as it was" not in said


def test_a_second_run_changes_nothing_and_a_later_one_takes_what_is_new(old: SeedRedis, run: Any) -> None:
    old.users(["ada"])
    old.messages("general", [message(f"message {n}") for n in range(3)])
    run()
    before = list(Message.objects.order_by("id").values())
    assert "3  messages that were here before" in run()
    assert list(Message.objects.order_by("id").values()) == before
    old.messages("general", [message("message 3")])
    run()
    assert texts("general") == [f"message {n}" for n in range(4)]
    assert is_whole("general")


def test_names_that_can_not_be_kept_get_others_and_every_author_has_an_account(old: SeedRedis, run: Any) -> None:
    old.users(["ada", "ADA", "x" * 40, "you", "mark"])
    old.users(["lost"], password=None)
    old.messages("general", [message(f"by {name}", name) for name in ("ada", "ADA", "x" * 40, "nobody", "né", 7)])
    said = run()
    authors = dict(Message.objects.values_list("text", "author__username"))
    assert {name.lower() for name in authors.values()} == {
        name.lower() for name in User.objects.filter(username__in=authors.values()).values_list("username", flat=True)
    }
    assert len({name.lower() for name in authors.values()}) == 6
    kept = {authors["by ada"], authors["by ADA"]}
    assert len(kept & {"ada", "ADA"}) == 1, "one of both keeps the name"
    assert all(user_authenticate(username=name, password="secret1", address="1").username == name for name in kept)
    assert authors["by nobody"] == "nobody"
    assert not User.objects.get(username="nobody").is_active
    assert not User.objects.get(username="lost").has_usable_password()
    assert "3  a user name that is not allowed, or is another's or looks like it" in said
    assert "3  an author who has no account" in said
    assert "1  a user without a usable bcrypt hash" in said


def test_what_is_broken_is_told_of_and_costs_no_other_row(old: SeedRedis, run: Any) -> None:
    old.users(["ada"])
    old.channels(["{", {"name": "no key"}, {"key": "tea", "name": ""}])
    old.client.set("channel_msg__text", "not a list")
    old.client.set("user__string", "not a hash")
    old.messages(
        "tea", [message("a"), "{", b"\xff", message(None), message(5), message("b\x00"), message("c", date="soon")]
    )
    old.messages("a b/ä*?", [message("odd key")])
    said = run()
    assert texts("tea") == ["a", "5", "b\ufffd", "c"]
    assert is_whole("tea")
    last = Message.objects.get(text="c")
    assert last.created_at == Message.objects.get(text="b\ufffd").created_at
    (odd,) = Channel.objects.filter(key__startswith="imported-")
    assert texts(odd.key) == ["odd key"]
    for line in (
        "3  a row that is not a JSON object",
        "1  a message without a text",
        "1  a channel without a key",
        "1  a text that was a number",
        "1  characters that can't be stored",
        "1  a date that can't be read",
        "'tea' row 1: {",
        "1  a key named like a list of messages that is none",
    ):
        assert line in said


def test_a_dry_run_says_the_same_and_changes_nothing(old: SeedRedis, run: Any) -> None:
    old.users(["ada", "ADA"])
    old.channels([{"key": "tea", "name": "Tea"}])
    old.messages("tea", [message("one"), "{", message("two", "nobody")])
    before = (User.objects.count(), Channel.objects.count())
    dry = run("--dry-run")
    assert (User.objects.count(), Channel.objects.count(), Message.objects.count()) == (*before, 0)
    counts = [line for line in dry.splitlines() if line[:9].strip().isdigit()]
    assert counts
    assert [line for line in run().splitlines() if line[:9].strip().isdigit()] == counts


def test_it_goes_behind_what_is_said_here_already(old: SeedRedis, run: Any) -> None:
    ann = user_ref("ann")
    channel_of(ann, "tea")
    store_batch([Post(ann, ChannelKey("tea"), "new here", None)])
    old.messages("tea", [message("old", "ann")])
    run()
    assert texts("tea") == ["new here", "old"]
    assert is_whole("tea")
    changes = selectors.channel_changes(ChannelKey("tea"), after=1, limit=10)
    assert [each["text"] for each in changes["messages"]] == ["old"], "who was there is told like of any message"


def test_another_servers_list_of_the_same_name_is_not_mixed_in(old: SeedRedis, run: Any) -> None:
    old.messages("general", [message("one"), message("two")])
    run()
    old.client.delete("channel_msg__general")
    old.messages("general", [message("three"), message("four"), message("five")])
    assert "1  a list of messages that is not the one" in run()
    assert texts("general") == ["one", "two"]


def test_a_name_that_is_registered_in_the_same_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PostgreSQL answers then, after the names were looked up."""
    failures, real = [IntegrityError("taken"), IntegrityError("taken again")], importing._import

    def collide(accounts: Any, dry_run: bool) -> Any:
        if failures:
            raise failures.pop()
        return real(accounts, dry_run)

    monkeypatch.setattr(importing, "_import", collide)
    assert importing.users_import([importing.OldAccount("ada", None)])["ada"].username == "ada"
    failures.extend([IntegrityError("taken")] * importing.TRIES)
    with pytest.raises(IntegrityError):
        importing.users_import([importing.OldAccount("bob", None)])


def test_two_imports_at_once_are_refused(run: Any) -> None:
    with exclusive("import", settings.REAKTOR.data_dir), pytest.raises(CommandError, match="Another import is at it"):
        in_a_thread(run)


def in_a_thread(call: Any) -> None:
    """With a connection of its own, as another process has; its error is raised here."""
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(call)
        threads.submit(connections.close_all)
        asked.result()


def test_what_can_not_be_reached_is_said_in_a_sentence(tmp_path: Any) -> None:
    with pytest.raises(CommandError, match="Redis does not answer") as caught:
        call_command("import_reaktor", "--redis", f"unix://{tmp_path}/none.sock", skip_checks=True)
    assert caught.value.returncode == 1
    with pytest.raises(CommandError, match="URL of the Redis") as caught:
        call_command("import_reaktor", "--redis", "nonsense", skip_checks=True)
    assert caught.value.returncode == 2
