"""Unread counts: after any sequence of posts, own posts, and moves of the marker they are what a recount finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.domain.reading import Head, Marker

MOVES = st.lists(st.one_of(st.sampled_from(["own", "other", "aside"]), st.integers(0, 30)), max_size=60)


@given(MOVES)
def test_what_is_counted_on_the_way_is_what_a_recount_finds(moves: list[str | int]) -> None:
    """`aside`: a message of somebody else that only a thread shows. A number: the marker is moved there."""
    said: list[str] = []
    head, marker = Head(0), Marker(Head(0))

    def at(number: int) -> Head:
        return Head(number, said[:number].count("aside"))

    for move in moves:
        before = marker
        if isinstance(move, int):
            place = at(min(move, len(said)))
            marker = marker.moved(place, said[place.number :].count("own"))
        else:
            said.append(move)
            head = at(len(said))
            if move == "own":
                marker = marker.posted(head)
        assert marker.unread(head) == said[marker.at.number :].count("other")
        assert marker.rev - before.rev == (isinstance(move, int) or move == "own")


def test_who_has_read_everything_has_read_what_they_say_themselves() -> None:
    assert Marker(Head(4), rev=2).posted(Head(5)) == Marker(Head(5), rev=3)
    assert Marker(Head(3), rev=2).posted(Head(5)) == Marker(Head(3), own=1, rev=3)
