"""The live cluster page: what the supervisor says of its workers and the authority, as HTML once and then as JSON.

In a worker the supervisor is asked through the run directory's control socket; a process that is the whole server
tells of itself, in the same shape. The page's script draws it anew every two seconds.
"""

from __future__ import annotations

import shutil
import time
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse

from chat.admin.access import MODERATE
from chat.apps import ChatConfig
from chat.live import runtime
from reaktor import __version__
from reaktor.cluster.control import ask
from reaktor.cluster.failures import ClusterError
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.status import gather_alone
from reaktor.db.size import database_bytes

ASK_S = 3.0
UNAVAILABLE = 503
WORKER_FIELDS = ("slot", "incarnation", "pid", "state", "age_s", "sessions", "revision_lag", "rss_bytes")
AUTHORITY_FIELDS = (
    "phase", "epoch", "revision", "commands_per_s", "sessions", "users", "channels", "members", "blocks",
)  # fmt: skip


def cluster_page(request: HttpRequest) -> HttpResponse:
    """The page; its figures come from cluster_json()."""
    _check(request)
    context = {**admin.site.each_context(request), "title": "Live cluster"}
    return TemplateResponse(request, "admin/chat/cluster.html", context)


def cluster_json(request: HttpRequest) -> HttpResponse:
    """{at, version, state, workers: [...], hosts: [...], authority, connections, given_up, storage}.

    Storage is {database_bytes, disk_free_bytes, disk_bytes}: the disk is that of DATA_DIR, on this host. Counters are
    totals: who reads twice has rates.
    """
    _check(request)
    try:
        body, status = cluster_status(), 200
    except ClusterError as error:
        body, status = {"error": str(error)}, UNAVAILABLE
    return JsonResponse(body, status=status)


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm(MODERATE):
        raise PermissionDenied


def cluster_status() -> dict[str, Any]:
    """The figures. Blocks for as long as the supervisor takes to answer, ASK_S at most. Raises ClusterError."""
    chat = cast(ChatConfig, apps.get_app_config("chat"))
    if chat.is_worker:
        found = ask(RunDir(chat.config.run_dir), {"do": "status"}, ASK_S)
    else:
        found = gather_alone(runtime.current())
    authority = found["authority"]
    return {
        "at": time.time(),
        "version": __version__,
        "state": found["state"],
        "workers": [_worker(worker) for worker in found["workers"]],
        # A supervisor of the version before says nothing of hosts.
        "hosts": found.get("hosts", []),
        "authority": {name: authority[name] for name in AUTHORITY_FIELDS if name in authority},
        "connections": found["connections"],
        "given_up": found["slots_given_up"],
        "storage": _storage(),
    }


def _storage() -> dict[str, int]:
    disk = shutil.disk_usage(settings.DATA_DIR)
    return {"database_bytes": database_bytes(), "disk_free_bytes": disk.free, "disk_bytes": disk.total}


def _worker(found: dict[str, Any]) -> dict[str, Any]:
    said = found["runtime"]
    counters = {name: said.get(name, 0) for name in ("messages_in", "messages_out", "slow_closed", "repairs")}
    return {**{name: found[name] for name in WORKER_FIELDS}, **counters}
