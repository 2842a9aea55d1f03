"""Columns that are made of a user name whenever its row is saved: what names are compared by.

Null in rows of a version that did not know them, until accounts.claims or a migration fills them.
QuerySet.update() of a name sets them as well. Not `accounts.models` itself: migrations name these classes.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts import names


class OfName(models.TextField):  # type: ignore[type-arg]  # generic only in its stubs
    """Made of the field `username`."""

    @staticmethod
    def made(name: str) -> str:
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"null": True, "editable": False, **kwargs})

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """In the order of code points, as SQLite has it anyway: names that begin alike stand together in an index."""
        collation = "C" if connection.vendor == "postgresql" else None
        return {**super().db_parameters(connection), "collation": collation}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value = self.made(getattr(model_instance, "username"))  # noqa: B009  no model of this module
        setattr(model_instance, self.attname, value)
        return value


class FoldedName(OfName):
    """Two names with one folded form are one name."""

    @staticmethod
    def made(name: str) -> str:
        return names.folded(name)


class NameSkeleton(OfName):
    """Two names with one skeleton look the same."""

    @staticmethod
    def made(name: str) -> str:
        return names.skeleton(name)
