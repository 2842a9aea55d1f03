"""What may be written, how things may be named, and who may do what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain import rules
from chat.domain.policies import Access, ChannelKind, Role
from reaktor.errors import BannedError, ForbiddenError, InvalidError, NotFoundError, ReaktorError, TooLargeError

UNSTORABLE = ["\x00", "half \ud83d", "\udfff"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50))
@settings(max_examples=300, deadline=None)
def test_a_text_is_stored_exactly_as_it_was_sent_unless_blank(text) -> None:
    if text.strip():
        assert rules.check_text(text, max_chars=50) == text
    else:
        with pytest.raises(InvalidError):
            rules.check_text(text, max_chars=50)


@pytest.mark.parametrize("text", ["👩‍👩‍👧‍👦" * 500, "a" * 4_000, "\u202eabc", " x ", "<b>&amp;</b>"])
def test_emoji_markup_and_long_texts_are_texts(text: str) -> None:
    assert rules.check_text(text, max_chars=4_000) == text


def test_a_text_that_is_too_long_says_so_before_anything_else() -> None:
    with pytest.raises(TooLargeError):
        rules.check_text("\x00" * 4_001, max_chars=4_000)


@pytest.mark.parametrize("text", [*UNSTORABLE, "", " \t\n\u3000", 5, None, ["a"], b"a"])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(InvalidError) as caught:
        rules.check_text(text, max_chars=4_000)
    assert caught.value.fields
    assert "text" in caught.value.fields


@pytest.mark.parametrize("nonce", ["a", "x" * 64, "5b1c", "é"])
def test_a_nonce_is_a_short_string(nonce: str) -> None:
    assert rules.check_nonce(nonce) == nonce


@pytest.mark.parametrize("nonce", ["", "x" * 65, 5, None, *UNSTORABLE])
def test_anything_else_is_no_nonce(nonce: object) -> None:
    with pytest.raises(InvalidError):
        rules.check_nonce(nonce)


@pytest.mark.parametrize("emoji", ["👍", "👩‍👩‍👧‍👦", "🏳️‍🌈", "+1", "x" * 32])
def test_an_emoji_or_a_short_word_is_a_reaction(emoji: str) -> None:
    assert rules.check_emoji(emoji) == emoji


@pytest.mark.parametrize("emoji", ["", "x" * 33, "a b", "a\n", "\u202e", 5, None, *UNSTORABLE])
def test_blanks_controls_and_long_ones_are_no_reaction(emoji: object) -> None:
    with pytest.raises(InvalidError):
        rules.check_emoji(emoji)


def test_keys_that_the_server_gives_cannot_be_chosen_but_can_be_named() -> None:
    for key in ("dm-abc", "prv-abc"):
        with pytest.raises(InvalidError):
            rules.check_channel_key(key)
        assert rules.parse_channel_key(key) == key


@given(st.text(max_size=70))
@settings(max_examples=300, deadline=None)
def test_a_key_that_nobody_may_choose_is_not_found_or_found(key) -> None:
    try:
        rules.check_channel_key(key)
    except InvalidError:
        if not key.startswith(rules.RESERVED_KEY_PREFIXES):
            with pytest.raises(NotFoundError):
                rules.parse_channel_key(key)
    else:
        assert rules.parse_channel_key(key) == key


@pytest.mark.parametrize("key", ["a\n", "a b", "é", "", "x" * 65, "../x"])
def test_no_such_key_can_exist(key: str) -> None:
    with pytest.raises(NotFoundError):
        rules.parse_channel_key(key)


def test_names_and_topics_are_trimmed_and_bounded() -> None:
    assert rules.check_channel_name("  Tea  ") == "Tea"
    assert rules.check_topic("   ") == ""
    for name in ("", "  ", "x" * 81, 5, *UNSTORABLE):
        with pytest.raises(InvalidError):
            rules.check_channel_name(name)
    for topic in ("x" * 401, 5, None, *UNSTORABLE):
        with pytest.raises(InvalidError):
            rules.check_topic(topic)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hi @Ada and @bob!", ("ada", "bob")),
        ("@ada @ADA", ("ada",)),
        ("mail me@ada.com", ()),
        ("@@ada", ()),
        ("@ab", ()),
        ("@" + "x" * 33, ()),
        ("(@ada)", ("ada",)),
        ("@ada_", ("ada",)),
        (" ".join(f"@user{number}" for number in range(30)), tuple(f"user{number}" for number in range(20))),
    ],
)
def test_names_after_an_at_sign_are_mentions(text: str, names: tuple[str, ...]) -> None:
    assert rules.mentioned_names(text) == names


OPEN = [ChannelKind.PUBLIC, ChannelKind.UNLISTED]


@pytest.mark.parametrize("kind", list(ChannelKind))
@pytest.mark.parametrize("role", [None, *Role])
def test_who_is_banned_neither_reads_nor_moderates(kind: ChannelKind, role: Role | None) -> None:
    access = Access(kind, role, is_banned=True)
    assert not access.can_read
    assert not access.can_moderate
    assert not access.can_manage
    with pytest.raises(BannedError if kind in OPEN or role is not None else NotFoundError):
        access.check_read()


@pytest.mark.parametrize("kind", list(ChannelKind))
@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("is_staff", [False, True])
def test_who_may_read_moderate_and_manage(kind: ChannelKind, role: Role | None, is_staff: bool) -> None:
    access = Access(kind, role, is_staff)
    assert access.can_read == (kind in OPEN or role is not None)
    assert access.can_moderate == (is_staff or role in {Role.OWNER, Role.MODERATOR})
    assert access.can_manage == (is_staff or role is Role.OWNER)
    expected: type[ReaktorError] | None = None
    if not access.can_manage:
        expected = ForbiddenError if access.can_read else NotFoundError
    if expected is None:
        access.check_manage()
    else:
        with pytest.raises(expected):
            access.check_manage()
