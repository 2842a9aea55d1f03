"""Unforeseen errors, reported to Sentry where SENTRY_DSN says so: what failed and where, nothing of whom it failed for.

The SDK is imported only then. Reported is what is logged as an error; requests, local variables, breadcrumbs and
people stay out, and every text is masked as in the log. Called once by each process that serves.
"""

from __future__ import annotations

import logging
from typing import Any

from reaktor.observe.logs import mask, subject

_LEFT_OUT = ("request", "user", "breadcrumbs", "extra", "modules")


def start(dsn: str) -> None:
    """Report from now on; nothing happens without a DSN. Raises ValueError for one that is none."""
    if not dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=dsn,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=lambda event, _hint: scrub(event),
    )


def scrub(event: Any) -> Any:
    """The event with its secrets masked, and with the worker, request and session that it is about as tags."""
    kept = {name: value for name, value in event.items() if name not in _LEFT_OUT}
    return {**_masked(kept), "tags": {**kept.get("tags", {}), **subject()}}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each) for each in value]
    return value
