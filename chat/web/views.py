"""The page of the web client. Everything on it is static: what it shows it asks over REST and the native transport."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """`GET /`: the one page. Never cached, since it names the current versions of the client's files."""
    return render(request, "chat/index.html")
