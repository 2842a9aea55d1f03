"""What people show of themselves: names, a status, a picture; who may not be impersonated, and what goes with whom."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.client import MULTIPART_CONTENT, encode_multipart
from django.utils import timezone

from accounts import deletion, profiles, services
from accounts.expired import expired_clear
from accounts.models import Picture, User
from chat.selectors import user_ref
from chat.services import word_set
from reaktor.sandbox.pictures import Pictures
from tests.support.pictures import BLUE, RED, is_close, pixel, plain, png_that_says
from tests.support.plans import plans_of, prefer_indexes
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register

pytestmark = pytest.mark.django_db


def set_picture(user: User, picture: bytes) -> str:
    """The hash of the picture that is theirs now."""
    with tempfile.TemporaryFile() as source:
        source.write(picture)
        return profiles.avatar_set(user, source, Pictures()).avatar


def put(rest: Rest, picture: bytes, kind: str = "image/png") -> tuple[int, Any]:
    return rest("PUT", "/api/v1/me/avatar", picture, content_type=kind)


def test_a_display_name_and_a_status_are_shown_to_everybody() -> None:
    rest = logged_in(register("ada"))
    assert rest.get("/api/v1/me")[1]["display_name"] == ""
    status, body = rest.patch("/api/v1/me", {"display_name": "  Ada   Lovelace ", "status_text": "Counting 🧮"})
    assert (status, body["display_name"], body["status_text"]) == (200, "Ada Lovelace", "Counting 🧮")
    person = logged_in(register("bob")).get("/api/v1/users/ADA")[1]
    assert set(person) == {"id", "username", "display_name", "avatar_url", "status_text", "created_at", "is_bot"}
    assert (person["username"], person["display_name"], person["avatar_url"]) == ("ada", "Ada Lovelace", None)
    assert rest.patch("/api/v1/me", {"display_name": ""})[1]["display_name"] == ""
    assert rest.get("/api/v1/me")[1]["status_text"] == "Counting 🧮"


@pytest.mark.parametrize(
    "name",
    [
        "x" * 65,
        "two\nlines",
        "tab\u2028line",
        "\u202egnp.exe",
        "ada\u200b",
        "a\u200dda",
        "\u200dada",
        "\u3164",
        "\U000e0041tag",
        "zal\u0300\u0301\u0302\u0303\u0304go",
        "bell\x07",
    ],
    ids=repr,
)
def test_what_hides_or_turns_or_overflows_is_no_name(name: str) -> None:
    status, body = logged_in(register("bob")).patch("/api/v1/me", {"display_name": name})
    assert (status, error_code(body), set(body["error"]["fields"])) == (400, "invalid", {"display_name"})


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", "李 小龍", "می\u200cخواهم", "👩\u200d💻 Ada", "O’Brien-Smith", "Zoë", "x" * 64], ids=repr
)
def test_names_of_all_the_world_are_taken(name: str) -> None:
    assert logged_in(register("bob")).patch("/api/v1/me", {"display_name": name})[1]["display_name"] == name


@pytest.mark.parametrize(
    "name", ["admin", "Moderator", "EVERYONE", "s y s t e m", "аdmin", "Ádmin", "m0derator", "@here"]
)
def test_who_is_in_charge_is_nobody_s_name(name: str) -> None:
    status, body = logged_in(register("bob")).patch("/api/v1/me", {"display_name": name})
    assert (status, body["error"]["fields"]) == (400, {"display_name": "reserved"})


def test_nobody_is_shown_under_the_user_name_of_somebody_else() -> None:
    ada, rest = register("ada"), logged_in(register("bob"))
    assert logged_in(ada).patch("/api/v1/me", {"display_name": "ADA"})[0] == 200
    for name in ("ada", "ADA", "Ada ", "adá"):
        assert rest.patch("/api/v1/me", {"display_name": name})[0] == 400, name
    services.user_rename(ada, username="lovelace")
    assert rest.patch("/api/v1/me", {"display_name": "ada"})[0] == 400
    assert rest.patch("/api/v1/me", {"display_name": "lovelace"})[0] == 400


def test_the_word_filter_holds_for_profiles() -> None:
    word_set(user=user_ref(register("root", is_staff=True)), word="badword", action="reject")
    rest = logged_in(register("bob"))
    from django.apps import apps

    apps.get_app_config("chat").text_rules._read_at = -10
    assert rest.patch("/api/v1/me", {"status_text": "a badword here"})[0] == 403
    assert rest.get("/api/v1/me")[1]["status_text"] == ""


def test_a_name_that_is_taken_changes_nothing_else_either() -> None:
    register("ada")
    rest = logged_in(register("bob"))
    assert rest.patch("/api/v1/me", {"username": "ada", "display_name": "Bobby"})[0] == 409
    assert rest.get("/api/v1/me")[1]["display_name"] == ""


# -- Pictures


def test_a_picture_is_sent_as_it_is_or_in_a_form_and_everybody_sees_it() -> None:
    rest = logged_in(register("ada"))
    status, body = put(rest, plain())
    assert status == 200
    address = body["avatar_url"]
    assert address.endswith("/96.webp")
    for side in (48, 96, 256):
        answer = Client().get(address.replace("/96.", f"/{side}."))
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert is_close(pixel(answer.content, (side // 2, side // 2)), RED)
    form = encode_multipart("XX", {"image": SimpleUploadedFile("me.png", plain(colour=BLUE))})
    status, body = rest(
        "PUT", "/api/v1/me/avatar", form, content_type=MULTIPART_CONTENT.replace("BoUnDaRyStRiNg", "XX")
    )
    assert status == 200
    assert body["avatar_url"] != address
    assert rest.delete("/api/v1/me/avatar")[1]["avatar_url"] is None


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (b"", "image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (png_that_says(20_000, 3_000), "million pixels"),
        (plain()[:60], "damaged"),
    ],
    ids=["nothing", "svg", "bomb", "half"],
)
def test_a_bad_picture_is_refused_in_a_sentence_and_the_old_one_stays(picture: bytes, says: str) -> None:
    rest = logged_in(register("ada"))
    before = put(rest, plain())[1]["avatar_url"]
    status, body = put(rest, picture)
    assert (status, error_code(body), set(body["error"]["fields"])) == (400, "invalid", {"image"})
    assert says in body["error"]["message"] or not picture
    assert rest.get("/api/v1/me")[1]["avatar_url"] == before


def test_a_form_without_a_picture_and_one_that_is_too_large_are_refused() -> None:
    rest = logged_in(register("ada"))
    form = encode_multipart("XX", {"image": "words"})
    kind = MULTIPART_CONTENT.replace("BoUnDaRyStRiNg", "XX")
    assert rest("PUT", "/api/v1/me/avatar", form, content_type=kind)[0] == 400
    status, body = put(rest, plain() + bytes(5 * 1024 * 1024))
    assert (status, error_code(body)) == (413, "too_large")


def test_so_many_pictures_a_while() -> None:
    rest = logged_in(register("ada"))
    assert [put(rest, b"junk")[0] for _ in range(11)] == [400] * 10 + [429]


@pytest.mark.parametrize("path", ["0" * 64 + "/96.webp", "x/96.webp", "../96.webp", "0" * 64 + "/97.webp"])
def test_there_is_nothing_under_other_addresses(path: str) -> None:
    set_picture(register("ada"), plain())
    assert Client().get(f"/avatars/{path}").status_code == 404


def test_a_picture_that_nobody_has_any_more_goes_after_a_day() -> None:
    ada, bob = register("ada"), register("bob")
    shared, single = set_picture(ada, plain()), set_picture(bob, plain(colour=BLUE))
    assert set_picture(bob, plain()) == shared
    assert Picture.objects.count() == 2
    assert expired_clear(timezone.now())["pictures of nobody"] == 0
    later = timezone.now() + timedelta(days=2)
    assert expired_clear(later)["pictures of nobody"] == 1
    assert list(Picture.objects.values_list("hash", flat=True)) == [shared] != [single]


def test_what_a_moderator_takes_away_is_gone_at_once_unless_others_have_it() -> None:
    ada, bob = register("ada", status_text="rude"), register("bob")
    shared = set_picture(ada, plain())
    set_picture(bob, plain())
    profiles.profile_clear(ada, {"avatar"})
    assert Picture.objects.filter(hash=shared).exists()
    profiles.profile_clear(bob, {"avatar"})
    assert not Picture.objects.filter(hash=shared).exists()
    assert User.objects.get(pk=ada.pk).status_text == "rude"


def test_with_the_account_all_of_it_goes_at_once() -> None:
    ada = register("ada")
    profiles.profile_update(ada, display_name="Ada Lovelace", status_text="Counting")
    set_picture(ada, plain())
    deletion.user_delete(ada, password=PASSWORD)
    gone = User.objects.get(pk=ada.pk)
    assert (gone.display_name, gone.status_text, gone.avatar, gone.search_display) == ("", "", "", None)
    assert not Picture.objects.exists()


@pytest.mark.database
def test_whether_a_picture_is_anybody_s_is_asked_of_an_index() -> None:
    ada = register("ada")
    digest = set_picture(ada, plain())
    prefer_indexes()
    for sql, plan in plans_of(lambda: profiles._drop_unused(digest)):
        if "accounts_user" in sql:
            assert "user_avatar" in plan, (sql, plan, connection.vendor)
