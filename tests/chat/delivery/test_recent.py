"""Threads in memory: the root says what its thread is, though no event of its own said so."""

from __future__ import annotations

import json
from typing import Any

from chat.delivery.recent import Recent
from chat.delivery.renames import Renames
from chat.domain.events import MessageData, ThreadInfoData
from tests.support.delivery import message, newest_of


def recent(**more: Any) -> Recent:
    fields: dict[str, Any] = {"floor": 0, "head_number": 0, "changes": 10, "numbers": 10, "max_bytes": 1 << 20, **more}
    return Recent(changed=[], newest=[], **fields)


def info(seq: int, replies: int, *people: str) -> ThreadInfoData:
    return {"number": 1, "seq": seq, "replies": replies, "last_reply_at": None, "participants": list(people)}


def reply(number: int, seq: int, said: ThreadInfoData) -> MessageData:
    return {**message(number, seq), "thread": message(1, 1)["id"], "also_in_channel": False, "thread_info": said}


def test_a_root_in_memory_is_shown_with_its_thread_as_it_is_now() -> None:
    held = recent()
    held.add(message(1, 1))
    held.add(reply(2, 2, info(2, 1, "bob")))
    held.add(reply(3, 3, info(3, 2, "bob")))
    root, *_ = newest_of(held, 10)
    assert root["thread_info"] == info(3, 2, "bob")
    assert root["changed_seq"] == 1
    (first, *_) = held.since(0) or []
    assert first["thread_info"] == info(3, 2, "bob")
    assert [each["number"] for each in held.since(1) or []] == [2, 3], "the root has not changed"


def test_what_was_read_before_a_reply_came_is_not_shown_instead_of_it() -> None:
    held = recent()
    held.add(message(1, 1))
    held.add(reply(2, 2, info(2, 1, "bob")))
    held.inform(info(1, 7))
    held.inform({**info(9, 9), "number": 9})
    assert newest_of(held, 10)[0]["thread_info"] == info(2, 1, "bob")
    held.inform(info(2, 0))
    assert newest_of(held, 10)[0]["thread_info"] == info(2, 0), "retention has no seq"


def test_memory_is_counted_right_when_roots_change() -> None:
    held = recent()
    held.add(message(1, 1))
    held.add(reply(2, 2, info(2, 1, "bob", "eve")))
    fresh = recent()
    for each in newest_of(held, 10):
        fresh.add({**each, "thread_info": json.loads(json.dumps(each["thread_info"]))})
    assert held.size == fresh.size
    held.cut(keep_newest=False)
    assert held.size == 0


def test_who_takes_part_in_a_thread_is_called_as_now() -> None:
    renames = Renames()
    renames.note("bob", "rob", 1.0)
    root: MessageData = {**message(1, 1), "thread_info": info(2, 1, "bob", "eve")}
    assert renames.renamed(root)["thread_info"]["participants"] == ["rob", "eve"]
    other: MessageData = {**message(1, 1), "thread_info": info(2, 1, "eve")}
    assert renames.renamed(other) is other


def test_how_far_the_flow_has_come_is_what_the_newest_message_says() -> None:
    held = recent()
    assert held.head_aside(7) == 7
    held.add(message(1, 1))
    held.add({**reply(2, 2, info(2, 1, "bob")), "flow": 1})
    assert held.head_aside(7) == 1
