"""`manage.py runserver`: Daphne's development server with the limits and the direct frames of a worker.

One process: the authority runs inside it over the in-memory layer. Wins over Daphne's command of this name because
`chat` stands before `daphne` in INSTALLED_APPS.
"""

from __future__ import annotations

from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from django.conf import settings

from reaktor.cluster.daphne import Server


class Command(DaphneCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        self.server_cls = _serve
        super().handle(*args, **options)


def _serve(application: Any, **options: Any) -> Server:
    """Build our server from the arguments that Daphne's command has for its own; the sizes are settings of ours."""
    for taken in ("websocket_handshake_timeout", "websocket_max_message_size", "websocket_max_frame_size"):
        options.pop(taken, None)
    return Server.from_config(settings.REAKTOR, application, **options)
