"""System checks: production refuses to start on an insecure setting, and says all of them at once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

MIN_SECRET_CHARS = 32


@register()
def production_is_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors for each secret that is missing or guessable and each limit that is off, in production only."""
    if not getattr(settings, "PRODUCTION", False):
        return []
    problems: list[CheckMessage] = [
        Error(f"{name} must be set, to at least {MIN_SECRET_CHARS} characters.", id="reaktor.E001")
        for name in ("SECRET_KEY", "JWT_SECRET")
        if len(getattr(settings, name)) < MIN_SECRET_CHARS
    ]
    if settings.SECRET_KEY and settings.SECRET_KEY == settings.JWT_SECRET:
        problems.append(Error("SECRET_KEY and JWT_SECRET must differ.", id="reaktor.E002"))
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        problems.append(Error("ALLOWED_HOSTS must name the server's hosts.", id="reaktor.E003"))
    if not settings.REAKTOR.limits.enabled:
        problems.append(Error("LIMITS=off is for benchmarks, not for production.", id="reaktor.E004"))
    if settings.DEBUG:
        problems.append(Error("DEBUG must be off.", id="reaktor.E005"))
    return problems
