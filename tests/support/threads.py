"""Calls that race each other, each in a thread and with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

from reaktor.errors import ReaktorError

START_S = 20
END_S = 60


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Start all of them together; what each returned, or was refused with, as they came. Raises any other error."""
    barrier = threading.Barrier(len(calls))
    results: list[object] = []
    errors: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait(START_S)
            results.append(call())
        except ReaktorError as refusal:
            results.append(refusal)
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(END_S)
    if errors:
        raise errors[0]
    return results
