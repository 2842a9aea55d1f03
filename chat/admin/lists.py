"""Lists that cost the same however long their tables are: along an index, and no further than anybody leafs.

A list is shown in an order that an index has. What no index finds (words, most filters) is looked for among the first
LOOKED_AT rows in that order. Used by the admins of this package, through chat.admin.access.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar, cast

from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

COUNTED_ROWS = 5_000
LOOKED_AT = 20_000
"""Reading so many rows takes some 30 ms."""
Row = TypeVar("Row", bound=Model)


def looked_at(rows: QuerySet[Row], order: str = "-id", *, of: QuerySet[Row] | None = None) -> QuerySet[Row]:
    """Those of the rows that are among the first LOOKED_AT in an order that an index has.

    Counted are the rows of `of`, which an index finds, where `rows` has conditions that none serves.
    """
    name = order.removeprefix("-")
    counted = rows if of is None else of
    last = counted.order_by(order).values_list(name, flat=True)[LOOKED_AT - 1 : LOOKED_AT]
    for value in last:
        return rows.filter(**{f"{name}__{'gte' if order.startswith('-') else 'lte'}": value})
    return rows


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic only in its stubs
    """Counts no further than COUNTED_ROWS: a full count reads the whole table, and nobody leafs that far."""

    @cached_property
    def count(self) -> int:
        found = cast("QuerySet[Any]", self.object_list)
        return found.order_by().values("pk")[:COUNTED_ROWS].count()


class BoundedList(ChangeList):
    """Sorted by one column of `sortable_by`, and by that only while nothing is searched or filtered.

    They are unique, as the first column of `ordering` is, and have an index.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        asked = self.params.pop(ORDER_VAR, "")
        self.filter_params.pop(ORDER_VAR, None)
        if not (self.query or self.has_active_filters):
            for part in asked.split("."):
                if self._is_sortable(part):
                    self.params[ORDER_VAR] = part
                    self.filter_params[ORDER_VAR] = [part]
                    break
        # Each of these columns is unique, and what comes behind it would have PostgreSQL sort.
        return list(super().get_ordering(request, queryset))[:1]

    def get_results(self, request: HttpRequest) -> None:
        """Django ends a query only where there is more than one page, and so reads on after the last row of one."""
        super().get_results(request)
        self.result_list = self.result_list[: self.list_max_show_all]

    def _is_sortable(self, part: str) -> bool:
        number = part.removeprefix("-")
        if not (number.isascii() and number.isdigit()) or int(number) >= len(self.list_display):
            return False
        return self.list_display[int(number)] in (self.sortable_by or ())
