"""A column with another one's text as it is compared in a search: the same on every database."""

from __future__ import annotations

from typing import Any

from django.db import models

from reaktor.scripts import folded


class FoldedField(models.TextField):  # type: ignore[type-arg]  # generic only in its stubs
    """Filled from the field `source` whenever a row is saved. QuerySet.update() of the source sets both.

    Null in rows of a version that did not know it, until they are saved again.
    """

    def __init__(self, *args: Any, source: str, **kwargs: Any) -> None:
        self.source = source
        super().__init__(*args, **{"null": True, "editable": False, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value = folded(getattr(model_instance, self.source))
        setattr(model_instance, self.attname, value)
        return value
