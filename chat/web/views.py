"""The page of the web client. What it shows it asks over REST and the native transport.

The page itself says how one registers here: nobody should see a form that the server will refuse.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from chat.apps import ChatConfig
from chat.notices import digests
from reaktor.errors import NotFoundError

SERVICE_WORKER = Path(__file__).resolve().parent.parent / "static" / "chat" / "sw.js"


@require_safe
@never_cache
def index(request: HttpRequest, file_id: str = "") -> HttpResponse:
    """`GET /`: the one page; `GET /f/{id}`, where it shows a file to who may see it.

    Never cached, since it names the current versions of the client's files.
    """
    config = cast(ChatConfig, apps.get_app_config("chat")).config
    facts = {
        "registration": config.registration or "closed",
        "sends_mail": config.mail.is_possible,
        "needs_email": config.mail.is_required,
        "member_invites": config.member_invites,
    }
    return render(request, "chat/index.html", facts)


@require_safe
@never_cache
def service_worker(request: HttpRequest) -> HttpResponse:
    """`GET /sw.js`: what receives pushes. It stands at the top, since a worker sees the pages below its own place."""
    return HttpResponse(SERVICE_WORKER.read_bytes(), content_type="text/javascript; charset=utf-8")


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """`/notices/unsubscribe/{token}`: stop the mails. Who reads mail looks up links, so GET only asks (RFC 8058)."""
    try:
        if request.method == "POST":
            digests.unsubscribe(token)
        else:
            digests.unsubscribe_check(token)
    except NotFoundError as error:
        return HttpResponse(str(error), status=404, content_type="text/plain; charset=utf-8")
    return render(request, "chat/unsubscribe.html", {"is_done": request.method == "POST"})
