"""What a server that stands by makes of the journal: what it takes, and whether it says that it is in step."""

from __future__ import annotations

import pytest

from chat.domain.ids import CommandId
from chat.membership.decisions import Decisions
from chat.membership.journal import Part, read_part, read_whole
from chat.membership.protocol import Connect, Hello, Join, Mandate
from chat.membership.shadow import DEAF_S, HOLD_LIMIT, Shadow, state_of
from chat.membership.state import MembershipState
from chat.membership.wire import Envelope, SyncRequest, WireError
from tests.support.membership import FIRST, session_info
from tests.support.told import LOBBY, S1

SILENCE_S = 3.0


class Followed:
    """An authority's decisions, and the parts that it has said."""

    def __init__(self, epoch: int = 1) -> None:
        self.mandate = Mandate(epoch, f"term {epoch}")
        self.decisions = Decisions(MembershipState(epoch, term=self.mandate.term))
        self.decisions.journal.keep(True)
        self.decisions.sync(SyncRequest(FIRST, Envelope(CommandId("hello"), Hello(FIRST))), 0.0)

    def says(self) -> Part:
        self.decisions.tick(0.0)
        part = self.decisions.journal.collect(self.decisions.state)
        assert part is not None
        return part

    def decides(self, session: str) -> Part:
        self.decisions.order(Connect(session_info(session, session)), 0.0)
        return self.says()

    def shows(self, shadow: Shadow, now: float) -> None:
        whole = self.decisions.state.whole()
        shadow.install(self.decisions.journal.next_entry, state_of(whole), now)

    def is_equal(self, shadow: Shadow) -> bool:
        inherited = shadow.hand_out(self.mandate)
        return (
            inherited is not None and inherited.is_in_step and inherited.state.whole() == self.decisions.state.whole()
        )


def in_step() -> tuple[Followed, Shadow]:
    followed, shadow = Followed(), Shadow(silence_s=SILENCE_S)
    shadow.note_own_word(0.0)
    followed.shows(shadow, 0.0)
    assert shadow.is_in_step(followed.mandate)
    return followed, shadow


def test_nothing_is_known_before_the_first_whole() -> None:
    shadow = Shadow(silence_s=SILENCE_S)
    shadow.offer(Followed().decides("s1"), 0.0)
    assert shadow.needs_whole
    assert shadow.hand_out(Mandate(1, "term 1")) is None


def test_what_comes_while_a_whole_is_on_its_way_is_carried_out_behind_it_once() -> None:
    followed, shadow = Followed(), Shadow(silence_s=SILENCE_S)
    shadow.note_own_word(0.0)
    shadow.offer(followed.decides("s1"), 0.0)
    later = followed.decides("s2")
    followed.shows(shadow, 0.0)
    shadow.offer(later, 0.0)
    shadow.offer(followed.decides("s3"), 0.0)
    assert followed.is_equal(shadow)


def test_a_missing_part_asks_for_a_whole_and_is_not_in_step_until_then() -> None:
    followed, shadow = in_step()
    followed.decides("s1")
    shadow.offer(followed.decides("s2"), 0.0)
    assert shadow.needs_whole
    assert not shadow.is_in_step(followed.mandate)
    followed.shows(shadow, 0.0)
    assert followed.is_equal(shadow)


def test_a_state_that_became_another_one_is_found_out_by_its_digest() -> None:
    followed, shadow = in_step()
    part = followed.decides("s1")
    shadow.offer(part._replace(digest="another"), 0.0)
    assert shadow.needs_whole


def test_it_is_in_step_with_the_authority_alone_whose_lease_was_taken() -> None:
    _, shadow = in_step()
    assert not shadow.is_in_step(Mandate(1, "another term"))
    inherited = shadow.hand_out(Mandate(2, "term 2"))
    assert inherited is not None
    assert not inherited.is_in_step


def test_who_did_not_hear_itself_since_the_last_part_may_have_missed_one() -> None:
    followed, shadow = in_step()
    shadow.offer(followed.decides("s1"), 0.2)
    shadow.note_own_word(DEAF_S)
    assert shadow.is_in_step(followed.mandate)
    shadow.note_own_word(3 * DEAF_S)
    assert not shadow.is_in_step(followed.mandate)
    shadow.offer(followed.decides("s2"), 3 * DEAF_S + 0.1)
    assert shadow.is_in_step(followed.mandate)


def test_a_later_authority_is_followed_and_one_before_is_not_unless_the_later_one_is_silent() -> None:
    followed, shadow = in_step()
    later = Followed(2)
    shadow.offer(later.decides("s1"), 1.0)
    assert shadow.follows == later.mandate
    assert not shadow.is_in_step(later.mandate)
    shadow.offer(followed.decides("s1"), 1.1)
    followed.shows(shadow, 1.1)
    assert shadow.follows == later.mandate
    followed.shows(shadow, 1.1 + SILENCE_S)
    assert shadow.follows == followed.mandate


def test_what_is_held_has_a_bound() -> None:
    followed, shadow = Followed(), Shadow(silence_s=SILENCE_S)
    for _ in range(HOLD_LIMIT + 2):
        shadow.offer(followed.says(), 0.0)
    assert len(shadow._held) <= HOLD_LIMIT


def test_a_session_beyond_our_own_limits_is_followed_all_the_same_and_the_next_one_is_refused() -> None:
    followed, shadow = Followed(), Shadow(silence_s=SILENCE_S)
    for number in range(2):
        followed.decisions.order(Connect(session_info(f"s{number + 1}")), 0.0)
    followed.decisions.order(Join(S1, LOBBY), 0.0)
    followed.shows(shadow, 0.0)
    inherited = shadow.hand_out(followed.mandate)
    assert inherited is not None
    state = inherited.state
    state.succeed(Mandate(2, "term 2"), max_sessions_per_user=2, max_channels_per_session=1)
    assert (state.epoch, state.term, state.revision) == (2, "term 2", 0)
    assert state.apply(Connect(session_info("s3")), 0.0).refusal == "too_many_sessions"


@pytest.mark.parametrize("body", [{}, {"v": 99}, {"v": 1}, {"v": 1, "m": [1, "t"], "n": 1, "j": [[0]], "blob": b"x"}])
def test_what_cant_be_read_is_said_to_be_so(body: dict[str, object]) -> None:
    for read in (read_part, read_whole):
        with pytest.raises(WireError):
            read(body)
