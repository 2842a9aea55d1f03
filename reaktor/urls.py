"""Every path that Django serves, and what it says where there is none.

`/ws/v1`, `/socket.io/`, `/healthz`, `/readyz` and `/metrics` never get here: reaktor.asgi answers them.
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView

from accounts.avatars import avatar
from chat.admin.cluster import cluster_json, cluster_page
from chat.transports.native.views import asyncapi
from chat.transports.native.views import page as asyncapi_page
from chat.transports.rest.hooks import HookPostView
from chat.transports.rest.server import logo
from chat.web.views import index, service_worker, unsubscribe
from reaktor.errors import ForbiddenError, InvalidError, NotFoundError, ReaktorError
from reaktor.web.cors_policy import SEED_PATHS
from reaktor.web.rest import JsonHandlers

urlpatterns = [
    path("", index),
    path("f/<uuid:file_id>", index),
    path("admin", RedirectView.as_view(url="/admin/", query_string=True)),
    path("admin/cluster/", admin.site.admin_view(cluster_page), name="cluster"),
    path("admin/cluster/status.json", admin.site.admin_view(cluster_json), name="cluster_status"),
    path("admin/", admin.site.urls),
    path("avatars/<str:digest>/<int:side>.webp", avatar),
    path("logo/<str:digest>.webp", logo),
    path("api/v1/asyncapi.json", asyncapi),
    path("api/v1/asyncapi", asyncapi_page),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("chat.transports.rest.urls")),
    path("hooks/<str:token>", HookPostView.as_view(schema=None)),
    path("sw.js", service_worker),
    path("notices/unsubscribe/<str:token>", unsubscribe),
    path("", include("chat.transports.seed.urls")),
]

_answers = JsonHandlers(html=("/admin",), flat=SEED_PATHS)
handler400 = _answers.handler(InvalidError, defaults.bad_request)
handler403 = _answers.handler(ForbiddenError, defaults.permission_denied)
handler404 = _answers.handler(NotFoundError, defaults.page_not_found)
handler500 = _answers.handler(ReaktorError, defaults.server_error)
