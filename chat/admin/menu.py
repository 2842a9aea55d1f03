"""What the menu of every admin page shows of what waits. A context processor; it asks when a template does."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest

from chat.selectors.workplace import open_messages_count


def menu(request: HttpRequest) -> dict[str, Any]:
    """`open_reports`: how many messages wait for a decision; counted once for a page."""
    return {"open_reports": cache(open_messages_count)}
