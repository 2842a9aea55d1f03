"""One channel as one person saw it, checked as it comes against the guarantees of docs/protocol.md. Pure.

Fed by tests.support.person with answers and events; every breach of a guarantee becomes a sentence in `breaches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """One message as somebody saw it, or as its author had it acknowledged."""

    seq: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """One member.joined or member.left: when it came (monotonic), which of both, about whom."""

    at: float
    event: str
    name: str


@dataclass
class Place:
    """`start`: the seq at the first join. `number`: of the last message seen. `resets`: how often it was read anew."""

    label: str
    breaches: list[str]
    start: int
    cursor: int
    number: int
    seen: list[Said] = field(default_factory=list)
    members: set[str] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)
    resets: int = 0
    _held: list[tuple[dict[str, Any], str]] | None = None

    @classmethod
    def from_join(cls, label: str, breaches: list[str], answer: dict[str, Any]) -> Place:
        """The first join: what was said before it is not this person's."""
        place = cls(label, breaches, answer["seq"], answer["seq"], answer["channel"]["number"])
        place.joined(answer)
        return place

    # -- Messages -------------------------------------------------------------------------------------------------

    def see(self, message: dict[str, Any], how: str) -> None:
        """A message came; while the channel is being read anew it waits."""
        if self._held is None:
            self._see(message, how)
        else:
            self._held.append((message, how))

    def _see(self, message: dict[str, Any], how: str) -> None:
        seq = message["changed_seq"]
        if seq != self.cursor + 1:
            self.breaches.append(f"{self.label} ({how}): {seq} after {self.cursor}")
        self.cursor = max(self.cursor, seq)
        self.number = max(self.number, message["number"])
        self.seen.append(Said(seq, message["id"], message["text"]))

    def acknowledged(self, data: dict[str, Any], text: str) -> None:
        """An acknowledgement takes the message's place in the order, unless the message itself came before it.

        So it does for one that is sent again, and where a hole was filled from the store between the commit and the
        acknowledgement.
        """
        if data["seq"] > self.cursor:
            self.see({**data, "changed_seq": data["seq"], "text": text}, "acknowledged")
        elif not data.get("duplicate") and Said(data["seq"], data["id"], text) not in self.seen:
            self.breaches.append(f"{self.label}: {data['seq']} acknowledged below {self.cursor}")

    def resumed(self, changes: dict[str, Any]) -> None:
        """The answer to resume; after a reset everything waits for read()."""
        if changes.get("reset"):
            self.hold()
        for message in changes.get("messages", []):
            self.see(message, "resume")

    # -- Reading anew ---------------------------------------------------------------------------------------------

    @property
    def must_read(self) -> bool:
        """Too much was missed to be told: read from `number` on, then settle()."""
        return self._held is not None

    def hold(self) -> None:
        """From now on what comes live waits."""
        self._held = self._held or []

    def forget_held(self) -> None:
        """The connection is gone, and with it what waited: the next one resumes from the cursor."""
        self._held = None

    def read(self, messages: Sequence[dict[str, Any]]) -> None:
        """A page of history."""
        for message in messages:
            if message["changed_seq"] > self.cursor:
                self._see(message, "read anew")

    def settle(self) -> None:
        """All was read: what waited follows."""
        held, self._held = self._held or [], None
        self.resets += 1
        for message, how in held:
            if message["changed_seq"] > self.cursor:
                self._see(message, how)

    # -- Members --------------------------------------------------------------------------------------------------

    def joined(self, answer: dict[str, Any]) -> None:
        """The answer to a join says who is there; what comes after it is relative to that."""
        if answer["reset"]:
            self.hold()
        else:
            for message in answer["messages"]:
                if message["changed_seq"] > self.cursor:
                    self.see(message, "join")
        self.members = {member["username"] for member in answer["members"]}
        if len(self.members) != answer["member_count"]:
            self.breaches.append(f"{self.label}: {answer['member_count']} members, shown: {sorted(self.members)}")

    def hear(self, event: str, name: str, at: float, *, is_settled: bool) -> None:
        """member.joined or member.left. `is_settled`: the base is known, so nobody may come or go twice."""
        is_joining = event == "member.joined"
        if is_settled and is_joining == (name in self.members):
            self.breaches.append(f"{self.label}: {event} of {name}, who was {'' if is_joining else 'not '}there")
        (self.members.add if is_joining else self.members.discard)(name)
        self.told.append(Told(at, event, name))
