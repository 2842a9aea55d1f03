"""One holder at a time, whoever asks next gets a no at once, and the lock is free when its holder is done."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connection

from reaktor.db.exclusive import exclusive

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def asked_elsewhere(name: str, directory: Path) -> bool:
    """Whether another connection of another thread would get it."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with exclusive(name, directory) as is_ours:
                answers.append(is_ours)
        finally:
            connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    return answers[0]


def test_one_holds_it_and_the_others_are_told_so_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    with exclusive("work", directory) as is_ours:
        assert is_ours
        assert not asked_elsewhere("work", directory)
        assert asked_elsewhere("other work", directory)
    assert asked_elsewhere("work", directory)


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive("work", tmp_path):
        raise ZeroDivisionError
    assert asked_elsewhere("work", tmp_path)
