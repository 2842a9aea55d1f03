"""Who acts on whom, what may be written, what texts may stand: each rule alone, and laws over all of them."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.errors import ArchivedError, MutedError, NotAMemberError
from chat.domain.policies import (
    Access,
    Author,
    ChannelKind,
    ChannelState,
    Rank,
    Restriction,
    Role,
    SanctionKind,
    TextRules,
    check_decide_report,
    check_delete_message,
    check_edit_message,
    check_give_role,
    check_outranks,
    posting_refusal,
    rank_of,
    text_refusal,
    writing_refusal,
)
from chat.domain.rules import check_reason, check_until
from chat.domain.words import WordFilter
from reaktor.errors import BannedError, ForbiddenError, InvalidError, RateLimitedError, Terms

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OPEN = ChannelState(ChannelKind.PUBLIC)
HOUR = timedelta(hours=1)
ranks = st.sampled_from(Rank)


def restriction(kind: SanctionKind, until: datetime | None = None, *, is_everywhere: bool = False) -> Restriction:
    return Restriction(kind, until, "spam", is_everywhere)


restrictions = st.builds(
    restriction,
    st.sampled_from([SanctionKind.MUTE, SanctionKind.BAN]),
    st.sampled_from([None, NOW + HOUR]),
    is_everywhere=st.booleans(),
)
authors = st.builds(
    Author,
    role=st.sampled_from([None, *Role]),
    is_staff=st.booleans(),
    age=st.timedeltas(timedelta(0), timedelta(days=9)),
    restrictions=st.lists(restrictions, max_size=3).map(tuple),
    last_post_at=st.sampled_from([None, NOW, NOW - timedelta(seconds=30)]),
    is_unwanted=st.booleans(),
)
channels = st.builds(
    ChannelState,
    kind=st.sampled_from(ChannelKind),
    is_archived=st.booleans(),
    is_frozen=st.booleans(),
    slow_mode_s=st.sampled_from([0, 60]),
)


@given(ranks, ranks, ranks)
def test_only_a_higher_rank_that_is_high_enough_acts_on_somebody(actor: Rank, target: Rank, needed: Rank) -> None:
    if actor > target and actor >= needed:
        check_outranks(actor, target, needed=needed)
    else:
        with pytest.raises(ForbiddenError):
            check_outranks(actor, target, needed=needed)


@pytest.mark.parametrize(
    ("role", "is_staff", "is_superuser", "rank"),
    [
        (None, False, False, Rank.NOBODY),
        (Role.MEMBER, False, False, Rank.MEMBER),
        (Role.MODERATOR, False, False, Rank.MODERATOR),
        (Role.OWNER, False, False, Rank.OWNER),
        (Role.OWNER, True, False, Rank.STAFF),
        (None, True, True, Rank.SUPERUSER),
    ],
)
def test_the_site_s_rank_stands_above_the_channel_s(
    role: Role | None, is_staff: bool, is_superuser: bool, rank: Rank
) -> None:
    assert rank_of(role, is_staff=is_staff, is_superuser=is_superuser) is rank


@given(channels, authors)
def test_nobody_writes_against_a_restriction_an_archive_or_a_missing_membership(
    channel: ChannelState, author: Author
) -> None:
    refusal = writing_refusal(channel, author, NOW)
    is_outside = channel.kind.is_closed and author.role is None
    is_frozen_out = channel.is_frozen and not author.is_moderator
    keeps_out = channel.is_archived or author.restrictions or is_outside or author.is_unwanted or is_frozen_out
    assert (refusal is not None) == bool(keeps_out)


@given(channels, authors)
def test_who_may_not_write_may_not_post_for_the_same_reason(channel: ChannelState, author: Author) -> None:
    writing = writing_refusal(channel, author, NOW)
    posting = posting_refusal(channel, author, NOW)
    if writing is not None:
        assert posting is not None
        assert (posting.code, posting.message) == (writing.code, writing.message)
    elif posting is not None:
        assert isinstance(posting, RateLimitedError)
        assert not author.is_moderator


def test_each_refusal_has_its_own_word() -> None:
    assert isinstance(writing_refusal(ChannelState(ChannelKind.PUBLIC, is_archived=True), Author(), NOW), ArchivedError)
    assert isinstance(writing_refusal(ChannelState(ChannelKind.PRIVATE), Author(), NOW), NotAMemberError)
    muted = writing_refusal(OPEN, Author(restrictions=(restriction(SanctionKind.MUTE, NOW + HOUR),)), NOW)
    assert isinstance(muted, MutedError)
    assert muted.message == "You are muted here until 2026-11-26 13:00 UTC: spam"
    assert muted.retry_after_s == 3600
    assert muted.terms == Terms(NOW + HOUR, "spam", is_everywhere=False)
    banned = restriction(SanctionKind.BAN, is_everywhere=True)
    both = Author(restrictions=(restriction(SanctionKind.MUTE), banned))
    refused = writing_refusal(OPEN, both, NOW)
    assert isinstance(refused, BannedError)
    assert (refused.message, refused.retry_after_s) == ("You are banned everywhere: spam", None)


def test_slow_mode_says_how_long_to_wait_and_spares_moderators() -> None:
    slow = ChannelState(ChannelKind.PUBLIC, slow_mode_s=60)
    last = NOW - timedelta(seconds=20)
    refused = posting_refusal(slow, Author(last_post_at=last), NOW)
    assert isinstance(refused, RateLimitedError)
    assert refused.retry_after_s == 40
    assert posting_refusal(slow, Author(last_post_at=last, role=Role.MODERATOR), NOW) is None
    assert posting_refusal(slow, Author(last_post_at=NOW - timedelta(seconds=60)), NOW) is None
    assert posting_refusal(slow, Author(), NOW) is None


def test_texts_are_held_to_words_and_links() -> None:
    rules = TextRules(WordFilter.of(reject=["darn"]), max_links=1, new_for=HOUR)
    links = "see http://a.example and HTTPS://b.example"
    new, old = Author(age=timedelta(minutes=1)), Author(age=HOUR)
    assert text_refusal(old, links, rules) is None
    assert isinstance(text_refusal(new, links, rules), ForbiddenError)
    assert text_refusal(new, "see http://a.example", rules) is None
    assert isinstance(text_refusal(old, "Darn!", rules), ForbiddenError)
    assert text_refusal(Author(role=Role.OWNER), "darn", rules) is None


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("darn", True), ("DARN it", True), ("darning", False), ("(darn)", True), ("da rn", False), ("x_darn", False)],
)
def test_words_are_whole_words_in_any_case(text: str, is_found: bool) -> None:
    found = WordFilter.of(reject=["darn"], flag=["darn"])
    assert found.rejects(text) is is_found
    assert (found.flagged_word(text) is not None) is is_found


@given(st.lists(st.text(min_size=1, max_size=20), max_size=5), st.text(max_size=60))
def test_no_word_and_no_text_breaks_the_filter(words: list[str], text: str) -> None:
    found = WordFilter.of(reject=words)
    assert found.rejects(text) in {True, False}
    for word in words:
        if word.strip() == word and word.isalnum() and word.isascii():
            assert found.rejects(f"-{word.upper()}-")


def test_without_words_nothing_is_found() -> None:
    assert not WordFilter().rejects("anything")
    assert WordFilter.of(reject=[""]).rejected is None


def test_reasons_are_bounded_and_ends_are_to_come() -> None:
    assert check_reason("  spam ") == "spam"
    for reason in ("x" * 401, None, "a\x00"):
        with pytest.raises(InvalidError):
            check_reason(reason)
    assert check_until(None, NOW) is None
    assert check_until(NOW + HOUR, NOW) == NOW + HOUR
    with pytest.raises(InvalidError):
        check_until(NOW, NOW)


@given(st.sampled_from(ChannelKind), st.none() | st.sampled_from(Role), st.booleans(), st.booleans(), st.booleans())
def test_messages_are_edited_by_their_author_and_deleted_by_moderators_too(
    kind: ChannelKind, role: Role | None, is_staff: bool, is_banned: bool, is_own: bool
) -> None:
    access = Access(kind, role, is_staff=is_staff, is_banned=is_banned)
    with nullcontext() if is_own else pytest.raises(ForbiddenError):
        check_edit_message(is_own=is_own)
    with nullcontext() if is_own or access.can_moderate else pytest.raises(ForbiddenError):
        check_delete_message(access, is_own=is_own)


@pytest.mark.parametrize("to_oneself", [True, False])
def test_nobody_gives_a_role_above_their_own_rank(to_oneself: bool) -> None:
    for giver in Rank:
        for role in Role:
            needed = rank_of(role, is_staff=False, is_superuser=False)
            with nullcontext() if giver >= needed else pytest.raises(ForbiddenError):
                check_give_role(giver, role, to_oneself=to_oneself)


def test_nobody_decides_a_report_of_their_own_message() -> None:
    check_decide_report(is_own_message=False)
    with pytest.raises(ForbiddenError):
        check_decide_report(is_own_message=True)
