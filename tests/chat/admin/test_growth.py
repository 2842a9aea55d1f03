"""No list of the admin reads a table as a whole or sorts one, whatever it is asked for, in SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.contrib import admin
from django.contrib.auth import SESSION_KEY
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import bots
from accounts.mailing import mail_queue
from accounts.models import Bot, Mail, User, WaitingAccount
from chat import services
from chat.admin import access, messages
from chat.admin.channels import FOUND
from chat.models import (
    AuditEntry,
    Channel,
    Hook,
    Message,
    Notice,
    OutboxEntry,
    Report,
    Sanction,
    ServerPage,
    WordRule,
    name_search,
)
from chat.search.indexing import index_now
from chat.selectors import user_ref
from tests.support.databases import is_sqlite
from tests.support.plans import plans_of, prefer_indexes
from tests.support.rest import post, register
from tests.support.staff import at_admin, moderator, press, root

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SEARCHES: dict[type[Model], tuple[str, ...]] = {
    AuditEntry: ("by:mia", "on:ada", "in:general", "since:2020-01-31", "until:2040-01-31", "loud", "by:mia loud"),
    Bot: ("pingbot", "of:ada"),
    Channel: ("general", "gen", "ge"),
    Hook: ("in:general", "boss", "ada in:general"),
    Mail: ("ada",),
    Notice: ("ada",),
    OutboxEntry: ("ada",),
    Message: ("in:general", "by:ada", "in:general by:ada", "words", "in:general words", "by:ada words"),
    Report: ("in:general", "by:ada", "rude", "in:general rude"),
    Sanction: ("ada", "in:general"),
    User: ("ada", "a"),
    WaitingAccount: ("ada",),
    WordRule: ("pills",),
}
NAMES = "chat_wordrule|django_|auth_|otp_|sqlite_master"
ASIDE = re.compile(rf"^(SCAN|SEARCH) ({NAMES})|Seq Scan on ({NAMES})")
"""Tables that nobody but staff makes rows of."""


@pytest.fixture(params=["mia", "boss"])
def browser(request: pytest.FixtureRequest, ada: User) -> Client:
    """A moderator's and a superuser's, where there is something of everything."""
    mia = moderator("mia")
    bob = register("bob")
    made = [post(ada, f"words {number}") for number in range(3)]
    for each in made[:2]:
        services.report_create(user=user_ref(bob), key="general", message_id=str(each["id"]), reason="rude")
    press(at_admin(mia), Report.objects.earliest("id"), "dismiss")
    press(at_admin(mia), ada, "mute", reason="loud", duration="3600", place="general")
    WordRule.objects.create(word="pills")
    User.objects.filter(pk=ada.pk).update(created_at=timezone.now() - timedelta(days=30))
    bots.bot_create(owner=ada, username="pingbot")
    services.hook_create(user=user_ref(mia), key="general", name="Grafana", public_url="")
    mail_queue(to="ada@example.org", subject="Hello", text="Hello.")
    WaitingAccount.objects.create(user=register("eve"))
    name_search.ensure("default")
    prefer_indexes("sort", "incremental_sort")
    return at_admin(mia if request.param == "mia" else root("boss"))


def page(client: Client, model: type[Model], **asked: str) -> Any:
    """The list's page."""
    return client.get(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist"), asked)


def listed(client: Client, model: type[Model], **asked: str) -> Any:
    """The list's ChangeList, with all that it asks the database; None where it is not to be seen.

    Without the page, which costs ten times as much: what else that asks is the same whatever was asked of the list.
    """
    request = RequestFactory().get("/", asked)
    request.user = User.objects.get(pk=client.session[SESSION_KEY])
    model_admin = admin.site._registry[model]
    if not model_admin.has_view_permission(request):
        return None
    found: Any = model_admin.get_changelist_instance(request)
    list(found.result_list)
    list(choices(found))
    return found


def choices(found: Any) -> Iterator[dict[str, str]]:
    """Every choice of every filter, and none."""
    yield {}
    for spec in found.filter_specs:
        for choice in spec.choices(found):
            yield dict(parse_qsl(choice["query_string"].removeprefix("?")))


def asked_of(found: Any, model: type[Model]) -> Iterator[dict[str, str]]:
    """Everything that its page offers, and what somebody may write into the address."""
    for number in range(len(found.list_display)):
        yield from ({"o": str(number)}, {"o": f"-{number}"}, {"o": f"{number}.0"})
    for choice in choices(found):
        yield choice
        yield {**choice, "o": "1", "_facets": "True"}
        yield {**choice, "q": SEARCHES[model][0]}
    for search in SEARCHES[model]:
        yield {"q": search}


def assert_bounded(sql: str, plan: str, asked: object) -> None:
    if "chat_search" in sql:
        # Of the search index the newest of a window of time are wanted: what it finds there is sorted.
        assert "LIMIT" in sql or "max(id)" in sql, sql
        return
    lines = [line for line in plan.splitlines() if not ASIDE.search(line)]
    said = f"{asked}\n{sql}\n" + "\n".join(lines)
    if is_sqlite():
        # A search for channels has an end of its own, so its filters sort no more than that.
        is_sorted = any("B-TREE FOR ORDER BY" in line or "B-TREE FOR DISTINCT" in line for line in lines)
        assert not is_sorted or f"LIMIT {FOUND}) named" in sql, said
        is_whole = any(line.startswith("SCAN ") for line in lines)
    else:
        assert not any("Sort Key" in line for line in lines), said
        is_whole = any("Seq Scan on" in line or ("Scan using" in line and "Index Cond" not in plan) for line in lines)
    # Along an index to where the page ends is what a list does; without an end it is the whole table.
    assert not is_whole or "LIMIT" in sql, said


LISTED = sorted(admin.site._registry.keys() - {ServerPage}, key=str)
"""All but the one that has no list."""


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.__name__)
def test_whatever_a_list_is_asked_for_comes_along_an_index(browser: Client, model: type[Model]) -> None:
    """2,000,000 messages by a column without an index took 1.6 s, and so did a filter written into the address."""
    found = listed(browser, model)
    if found is None:
        assert page(browser, model).status_code == 403
        return
    for sql, plan in plans_of(lambda: page(browser, model)):
        assert_bounded(sql, plan, "its page")
    for asked in asked_of(found, model):
        for sql, plan in plans_of(lambda asked=asked: listed(browser, model, **asked)):
            assert_bounded(sql, plan, asked)


def test_a_column_that_no_index_has_in_order_sorts_nothing(browser: Client) -> None:
    for model in admin.site._registry:
        found = listed(browser, model)
        if found is None:
            continue
        for number, name in enumerate(found.list_display):
            orders = {listed(browser, model, o=f"{sign}{number}").queryset.query.order_by for sign in ("", "-")}
            if name in found.sortable_by:
                assert len(orders) == 2, name
            else:
                assert orders == {found.queryset.query.order_by}, name


def test_the_address_can_filter_by_nothing_that_the_list_has_no_filter_for(browser: Client) -> None:
    for path, asked in (
        ("chat_message", "text__contains"), ("chat_channel", "topic"), ("accounts_user", "username__contains"),
        ("accounts_user", "password__startswith"),
    ):  # fmt: skip
        assert browser.get(reverse(f"admin:{path}_changelist"), {asked: "x"}).status_code == 400


def test_words_bring_so_many_of_the_newest(browser: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that nobody said was looked for in all that there was."""
    monkeypatch.setattr(messages, "FOUND", 4)
    bob = User.objects.get(username="bob")
    for number in range(3):
        post(bob, f"later words {number}", "random")
    index_now()
    later, earlier = ({f"{when}words {number}" for number in range(3)} for when in ("later ", ""))
    for search, found, least in (
        ("words", later | earlier, 4),
        ("words by:ada", earlier, 3),
        ("words in:random", later, 3),
        ("in:general by:bob", set(), 0),
    ):
        shown = {message.text for message in listed(browser, Message, q=search).result_list}
        assert len(shown) == least, search
        assert shown <= found, search
    assert later <= {message.text for message in listed(browser, Message, q="words").result_list}


def test_one_action_acts_on_so_many_rows(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who chose all messages of the server had all of them in the worker's memory."""
    mia = at_admin(moderator("mia"))
    monkeypatch.setattr(access, "AT_ONCE", 2)
    for number in range(3):
        post(ada, f"words {number}")
    chosen = str(Message.objects.latest("id").pk)
    mia.post(
        reverse("admin:chat_message_changelist"),
        {"action": "take_away", "_selected_action": [chosen], "select_across": "1"},
    )
    assert Message.objects.filter(text="").count() == 2


def test_a_connection_keeps_nothing_of_what_the_admin_read(browser: Client) -> None:
    """A worker was 40 MiB larger for good after some hundred pages."""
    for path, expected in (("/admin/chat/message/", is_sqlite()), ("/api/v1/channels", False)):
        with CaptureQueriesContext(connection) as asked:
            browser.get(path)
        assert ("PRAGMA shrink_memory" in [query["sql"] for query in asked.captured_queries]) is expected, path
