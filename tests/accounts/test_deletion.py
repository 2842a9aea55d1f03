"""Deleting one's account: what is left says nothing of who it was, and nothing opens it again."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts import services
from accounts.models import FormerName, User
from reaktor.errors import NameTakenError, NotAuthenticatedError
from tests.support.rest import PASSWORD, error_code, logged_in, register

pytestmark = pytest.mark.django_db


def test_only_who_knows_the_password_deletes_an_account_and_not_by_guessing() -> None:
    ada = register("ada")
    rest = logged_in(ada)
    assert rest("DELETE", "/api/v1/me", {})[0] == 400
    for _ in range(11):
        status, body = rest("DELETE", "/api/v1/me", {"password": "wrong"})
        assert (status, error_code(body)) == (403, "forbidden")
    status, body = rest("DELETE", "/api/v1/me", {"password": PASSWORD})
    assert (status, error_code(body)) == (429, "rate_limited")
    assert User.objects.get(pk=ada.pk).deleted_at is None


def test_a_deleted_account_has_no_name_no_password_no_rights_and_no_tokens() -> None:
    ada = register("ada", is_staff=True, is_superuser=True)
    pair = services.tokens_issue(ada)
    assert logged_in(ada)("DELETE", "/api/v1/me", {"password": PASSWORD}) == (204, None)
    gone = User.objects.get(pk=ada.pk)
    assert gone.username.startswith("deleted")
    services.check_username(gone.username)
    assert (gone.is_active, gone.is_staff, gone.is_superuser, gone.last_login) == (False, False, False, None)
    assert gone.deleted_at is not None
    for name in ("ada", gone.username):
        with pytest.raises(NotAuthenticatedError):
            services.user_authenticate(username=name, password=PASSWORD, address="192.0.2.1")
    assert logged_in(ada).get("/api/v1/me")[0] in (401, 403)
    with pytest.raises(Exception, match=r"switched off|valid|revoked"):
        services.tokens_refresh(pair["refresh"])


def test_its_name_is_nobody_s_for_a_month_and_then_somebody_else_s() -> None:
    """Whoever registered the name of somebody who was gone was taken for them."""
    ada = register("ada")
    logged_in(ada)("DELETE", "/api/v1/me", {"password": PASSWORD})
    with pytest.raises(NameTakenError):
        register("Ada")
    FormerName.objects.update(until=timezone.now())
    assert register("Ada").pk != ada.pk
