"""`manage.py runserver`: Daphne's development server with the limits and the direct frames of a worker.

One process: the authority runs inside it over the in-memory layer. So it is refused beside another server on the same
DATA_DIR, since neither would show the other's people. Wins over the command of this name in Django's staticfiles
because `chat` stands before it in INSTALLED_APPS.
"""

from __future__ import annotations

import os
from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from django.conf import settings

from reaktor.cluster import authority_lock
from reaktor.cluster.daphne import Server
from reaktor.cluster.failures import DataDirError


class Command(DaphneCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        self.server_cls = _serve
        super().handle(*args, **options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """In the process that serves, be it the command's own or the one that the reloader starts."""
        try:
            authority_lock.hold(settings.DATA_DIR, int(self.port))
        except DataDirError as error:
            self.stderr.write(self.style.ERROR(f"Error: {error}"))
            self.stderr.flush()
            # As Django does for a port that is taken: the reloader runs this in a thread, which sys.exit would end.
            os._exit(1)
        super().inner_run(*args, **options)


def _serve(application: Any, **options: Any) -> Server:
    """Build our server from the arguments that Daphne's command has for its own; the sizes are settings of ours."""
    for taken in ("websocket_handshake_timeout", "websocket_max_message_size", "websocket_max_frame_size"):
        options.pop(taken, None)
    return Server.from_config(settings.REAKTOR, application, **options)
