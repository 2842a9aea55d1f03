"""People at the admin, through Django's test client: a moderator, a superuser; and pressing its buttons."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from tests.support.rest import register


def at_admin(user: User) -> Client:
    """A browser in which this user is logged in. (The login form has tests of its own, and hashing takes time.)"""
    client = Client()
    client.force_login(user)
    return client


def moderator(username: str = "mia") -> User:
    """Staff in the group that the migration made."""
    user = register(username, is_staff=True)
    user.groups.add(Group.objects.get(name="Moderators"))
    return user


def root(username: str = "root") -> User:
    return register(username, is_staff=True, is_superuser=True)


def page_of(found: Any) -> str:
    """The admin's page of a stored row."""
    return f"/admin/{found._meta.label_lower.replace('.', '/')}/{found.pk}/change/"


def press(client: Client, found: Any, object_action: str, **values: Any) -> list[str]:
    """Press a button of a row's page; what the page then says."""
    answer = client.post(page_of(found).replace("/change/", f"/do/{object_action}/"), values, follow=True)
    assert answer.status_code == 200, answer.status_code
    return [str(message) for message in answer.context["messages"]]
