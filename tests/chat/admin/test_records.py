"""Sanctions, words and the audit log: found by filters, lifted, made and removed by services, exported whole."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client

from accounts.models import User
from chat import services
from chat.admin import audit
from chat.models import AuditAction, AuditEntry, Sanction, WordRule
from chat.selectors import user_ref
from tests.support.rest import register
from tests.support.staff import page_of, press

pytestmark = [pytest.mark.django_db, pytest.mark.database]
SANCTIONS, AUDIT, WORDS = "/admin/chat/sanction/", "/admin/chat/auditentry/", "/admin/chat/wordrule/"


def found(client: Client, path: str) -> list[Any]:
    answer = client.get(path)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def test_sanctions_in_force_are_shown_first_and_the_others_by_filters(mia: Client, ada: User) -> None:
    for place in ("", "general"):
        press(mia, ada, "mute", reason="r", duration="3600", place=place)
    press(mia, ada, "ban", reason="r", duration="3600", place="random")
    Sanction.objects.filter(kind="ban").update(until=datetime.now(UTC) - timedelta(seconds=1))
    assert [sanction.kind for sanction in found(mia, SANCTIONS)] == ["mute", "mute"]
    assert [sanction.kind for sanction in found(mia, f"{SANCTIONS}?state=over")] == ["ban"]
    assert len(found(mia, f"{SANCTIONS}?state=all")) == 3
    assert len(found(mia, f"{SANCTIONS}?state=all&kind__exact=mute")) == 2
    assert len(found(mia, f"{SANCTIONS}?place=everywhere")) == 1
    assert len(found(mia, f"{SANCTIONS}?q=ADA")) == 2
    assert found(mia, f"{SANCTIONS}?q=nobody") == []
    assert len(found(mia, f"{SANCTIONS}?q=in:general")) == 1


def test_several_sanctions_are_lifted_at_once_and_refusals_are_said(mia: Client, boss: Client, ada: User) -> None:
    eva = register("eva", is_staff=True)
    press(mia, ada, "mute", reason="r", duration="0")
    press(boss, eva, "mute", reason="r", duration="0")
    chosen = [str(pk) for pk in Sanction.objects.values_list("pk", flat=True)]
    answer = mia.post(SANCTIONS, {"action": "lift", "_selected_action": chosen}, follow=True)
    assert b"Sanctions lifted: 1." in answer.content
    assert b"higher rank" in answer.content
    assert [sanction.user for sanction in found(mia, SANCTIONS)] == [eva]


def test_words_are_made_changed_and_removed_and_each_is_written_down(boss: Client) -> None:
    assert boss.post(f"{WORDS}add/", {"word": " Pills ", "action": "reject"}).status_code == 302
    rule = WordRule.objects.get()
    assert (rule.word, rule.action) == ("Pills", "reject")
    boss.post(page_of(rule), {"word": "Other", "action": "flag"})
    rule.refresh_from_db()
    assert (rule.word, rule.action) == ("Pills", "flag")
    boss.post(page_of(rule).replace("change", "delete"), {"post": "yes"})
    assert not WordRule.objects.exists()
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["word.add", "word.add", "word.remove"]


def entries(count: int, **fields: Any) -> None:
    now = datetime.now(UTC)
    AuditEntry.objects.bulk_create(
        AuditEntry(actor="mia", action="ban", target=f"user{number}", at=now, **fields) for number in range(count)
    )


def test_the_audit_log_is_searched_by_who_whom_where_what_and_when(mia: Client, ada: User) -> None:
    me = user_ref(ada)
    services.audit_add(me, AuditAction.KICK, user_ref(register("bob")), "general", "too loud")
    services.audit_add(me, AuditAction.MUTE, me, "random", "quiet now")
    AuditEntry.objects.filter(action="kick").exists()
    entries(1, channel="other", reason="x")
    for query, count in (
        ("q=by:ADA", 2), ("q=on:bob", 1), ("q=in:random", 1), ("q=loud", 1), ("q=by:ada+in:general", 1),
        ("action_is=mute", 1), ("days=1", 3), ("q=until:2001-01-01", 0), ("q=since:2001-01-01", 3),
        ("q=since:junk", 0), ("q=by:nobody", 0),
    ):  # fmt: skip
        assert len(found(mia, f"{AUDIT}?{query}")) == count, query


def exported(client: Client, kind: str, query: str = "") -> bytes:
    answer = client.get(f"{AUDIT}export/{kind}/?{query}")
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_the_audit_log_is_exported_as_it_is_filtered_all_pages_of_it(
    mia: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(audit, "BATCH", 40)
    entries(90, reason='=HYPERLINK("x")', details={"hours": 2})
    entries(5, channel="general")
    rows = list(csv.reader(io.StringIO(exported(mia, "csv").decode())))
    assert rows[0] == list(audit.COLUMNS)
    assert len(rows) == 96
    assert rows[-1][3:] == ["ban", "user0", "", '\'=HYPERLINK("x")', '{"hours":2}']
    lines = [orjson.loads(line) for line in exported(mia, "jsonl", "q=in:general").splitlines()]
    assert [line["target"] for line in lines] == ["user4", "user3", "user2", "user1", "user0"]
    monkeypatch.setattr(audit, "EXPORTED", 50)
    assert len(exported(mia, "jsonl").splitlines()) == 50
    assert mia.get(f"{AUDIT}export/xml/").status_code == 404


def test_lists_ask_a_fixed_number_of_questions(mia: Client, ada: User, django_assert_max_num_queries: Any) -> None:
    entries(40)
    Sanction.objects.bulk_create(Sanction(kind="mute", user=ada, issued_by=ada) for _ in range(40))
    for path in (SANCTIONS, AUDIT):
        with django_assert_max_num_queries(11):
            assert len(found(mia, path)) >= 40
