"""The rule for names as Django asks it of a field's value. The rule itself: accounts.names."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from accounts import names

NOT_ALLOWED = "That name is not allowed."


def validate_username(value: str) -> None:
    """Its form alone: accounts from before keep names that are reserved now. Raises ValidationError."""
    if not names.is_well_formed(value):
        raise ValidationError(names.RULE)
