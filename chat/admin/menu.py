"""What the menu of every admin page shows of what waits. A context processor; it asks when a template does."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest

from chat.selectors.workplace import open_messages_count, waiting_accounts_count


def menu(request: HttpRequest) -> dict[str, Any]:
    """How many messages (`open_reports`) and accounts (`waiting_accounts`) wait for a decision; counted once a page."""
    return {"open_reports": cache(open_messages_count), "waiting_accounts": cache(waiting_accounts_count)}
