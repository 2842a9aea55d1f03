"""Whose server this is: superusers say it in the admin, everybody sees it within a second, and its logo."""

from __future__ import annotations

import io

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.models import User
from chat.models import AuditEntry, ServerPage
from chat.selectors.server_page import CurrentServerPage
from tests.support.pictures import plain, png_that_says
from tests.support.rest import Rest, logged_in
from tests.support.staff import page_of, press, root

pytestmark = pytest.mark.django_db

PAGE = "/admin/chat/serverpage/1/change/"
WORDS = {"name": " The tea house ", "welcome": "Come in.\r\nSit down.", "rules": "<b>Be kind</b>"}


def shown() -> dict[str, object]:
    """As a process shows it whose memory is empty."""
    apps.get_app_config("chat").server_page = CurrentServerPage("open")
    status, body = Rest().get("/api/v1/server")
    assert status == 200
    return dict(body)


def save(client: Client, picture: bytes | None = None, **others: str) -> str:
    files = {} if picture is None else {"picture": SimpleUploadedFile("logo.png", picture)}
    return client.post(PAGE, {**WORDS, **others, **files}, follow=True).content.decode()


def test_before_anything_is_set_it_has_a_name_and_nothing_else() -> None:
    nothing = {"name": "Reaktor", "logo_url": None, "rules": "", "welcome": "", "registration": "open"}
    assert shown() == nothing


def test_a_superuser_says_whose_server_it_is_and_strangers_see_it(boss: Client) -> None:
    assert boss.get("/admin/chat/serverpage/", follow=True).redirect_chain == [(PAGE, 302)]
    save(boss, plain(size=(1_024, 256)))
    found = shown()
    expected = {"name": "The tea house", "welcome": "Come in.\nSit down.", "rules": "<b>Be kind</b>"}
    assert {name: found[name] for name in expected} == expected
    logo = Client().get(str(found["logo_url"]))
    assert (logo.status_code, logo["Content-Type"], logo["X-Content-Type-Options"]) == (200, "image/webp", "nosniff")
    assert "immutable" in logo["Cache-Control"]
    with Image.open(io.BytesIO(logo.content)) as image:
        assert image.size == (512, 128)
    assert AuditEntry.objects.get().action == "server.page"
    assert str(found["logo_url"]) in boss.get(PAGE).content.decode()
    save(boss)
    assert shown()["logo_url"] == found["logo_url"], "the same as before"
    save(boss, without_logo="on")
    assert shown()["logo_url"] is None
    assert Client().get(str(found["logo_url"])).status_code == 404
    assert Client().get("/logo/x.webp").status_code == 404


@pytest.mark.parametrize(
    ("picture", "says"),
    [(b"<svg/>", "no picture"), (png_that_says(20_000, 3_000), "million pixels")],
    ids=["svg", "bomb"],
)
def test_a_bad_logo_is_refused_on_the_page_and_nothing_changes(boss: Client, picture: bytes, says: str) -> None:
    ServerPage.objects.create(pk=1, name="Before")
    assert says in save(boss, picture)
    assert shown()["name"] == "Before"


def test_moderators_have_no_such_page(mia: Client, boss: Client) -> None:
    ServerPage.objects.create(pk=1)
    assert mia.get(PAGE).status_code in (302, 403)
    assert mia.get("/admin/chat/serverpage/").status_code == 403
    assert mia.post(PAGE, WORDS).status_code in (302, 403)
    assert shown()["name"] == "Reaktor"
    assert "serverpage" not in mia.get("/admin/").content.decode()
    assert "serverpage" in boss.get("/admin/").content.decode()


def test_what_is_known_is_asked_for_once_a_second(django_assert_num_queries: object) -> None:
    now = [0.0]
    page = CurrentServerPage("open", clock=lambda: now[0])
    assert page.current()["name"] == "Reaktor"
    ServerPage.objects.create(pk=1, name="Tea")
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert page.current()["name"] == "Reaktor"
    now[0] = 1.0
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert page.current()["name"] == "Tea"


def test_what_somebody_shows_of_themselves_is_taken_away_with_a_reason(mia: Client, ada: User) -> None:
    rest = logged_in(ada)
    rest.patch("/api/v1/me", {"display_name": "Rude Name", "status_text": "fine"})
    rest("PUT", "/api/v1/me/avatar", plain(), content_type="image/png")
    address = rest.get("/api/v1/me")[1]["avatar_url"]
    page = mia.get(page_of(ada)).content.decode()
    assert "Rude Name" in page
    assert address in page
    assert press(mia, ada, "clear_profile", parts=["avatar", "display_name"]) == ["Reason: This field is required."]
    said = press(mia, ada, "clear_profile", parts=["display_name", "avatar"], reason="rude")
    assert said == ["Taken from ada: display name, picture."]
    me = rest.get("/api/v1/me")[1]
    assert (me["display_name"], me["avatar_url"], me["status_text"]) == ("", None, "fine")
    assert Client().get(address).status_code == 404
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.target, entry.reason) == ("profile.clear", "mia", "ada", "rude")
    assert entry.details["display_name"] == "Rude Name"


def test_of_who_is_above_them_a_moderator_takes_nothing(mia: Client) -> None:
    boss = root("otherboss")
    boss.status_text = "fine"
    boss.save()
    assert press(mia, boss, "clear_profile", parts=["status_text"], reason="x") != ["Taken from otherboss: status."]
    assert User.objects.get(pk=boss.pk).status_text == "fine"
