"""The page of the web client. What it shows it asks over REST and the native transport.

The page itself says how one registers here: nobody should see a form that the server will refuse.
"""

from __future__ import annotations

from typing import cast

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.apps import ChatConfig


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """`GET /`: the one page. Never cached, since it names the current versions of the client's files."""
    config = cast(ChatConfig, apps.get_app_config("chat")).config
    facts = {
        "registration": config.registration or "closed",
        "sends_mail": config.mail.is_possible,
        "needs_email": config.mail.is_required,
        "member_invites": config.member_invites,
    }
    return render(request, "chat/index.html", facts)
