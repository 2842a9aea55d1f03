"""What may be written, how things may be named, and who may do what."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain import rules
from chat.domain.policies import Access, ChannelKind, Role
from reaktor.errors import BannedError, ForbiddenError, InvalidError, NotFoundError, ReaktorError, TooLargeError
from reaktor.scripts import is_unseen

UNSTORABLE = ["\x00", "half \ud83d", "\udfff"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50))
@settings(max_examples=300, deadline=None)
def test_a_text_is_stored_exactly_as_it_was_sent_unless_blank(text) -> None:
    if not is_unseen(text):
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


UNSEEN = [
    *"\u00a0\u00ad\u034f\u115f\u1160\u17b4\u180e\u200b\u200d\u2060\u2800\u3164\ufe0f\ufeff\uffa0\U000e0061\U000e0100",
    "\u200b \u2060\n\u3164",
    "\u202e\u202c",
]


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_what_nobody_can_see_is_no_message_no_channel_name_and_no_reaction(text: str) -> None:
    """Empty bubbles and a channel without a name, made of a Korean filler and an empty Braille pattern."""
    for refused in (partial(rules.check_text, max_chars=4_000), rules.check_channel_name, rules.check_emoji):
        with pytest.raises(InvalidError):
            refused(text)
    assert rules.check_text(f"{text}.", max_chars=4_000) == f"{text}."


def test_a_name_does_not_turn_what_stands_around_it() -> None:
    """A channel's name turned the rest of the line in everybody's list."""
    assert rules.check_channel_name("\u202eevil\u202c \u2067x") == "evil x"
    assert rules.check_topic("a\u202eb") == "ab"
    assert rules.check_channel_name("\u200fשלום") == "\u200fשלום"


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


ONE_EMOJI = {
    "\u2764": "\u2764\ufe0f",
    "\u2764\ufe0e": "\u2764\ufe0f",
    "\U0001f44d\ufe0f": "\U0001f44d",
    "\u261d\ufe0f\U0001f3fd": "\u261d\U0001f3fd",
    "1\u20e3": "1\ufe0f\u20e3",
    "\U0001f3f3\u200d\U0001f308": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f441\u200d\U0001f5e8\ufe0f": "\U0001f441\ufe0f\u200d\U0001f5e8\ufe0f",
    "\U0001f468\u200d\u2764\u200d\U0001f468": "\U0001f468\u200d\u2764\ufe0f\u200d\U0001f468",
    "\u00a9": "\u00a9\ufe0f",
    "e\u0301": "\u00e9",
}


@pytest.mark.parametrize(("sent", "stored"), ONE_EMOJI.items(), ids=ascii)
def test_one_emoji_is_one_reaction_whatever_its_spelling(sent: str, stored: str) -> None:
    """Two keyboards, two hearts: each counted one, and neither could be taken back from the other."""
    assert rules.check_emoji(sent) == rules.check_emoji(stored) == stored


@pytest.mark.parametrize(
    "emoji",
    [
        "\U0001fae9",  # Unicode 16: a face with bags under its eyes
        "\U0001fadf",  # Unicode 16: a splatter
        "\U0001f1e8\U0001f1f6",  # Unicode 16: the flag of Sark
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # the flag of Scotland
        "\U0001f642\u200d\u2194\ufe0f",  # Unicode 15.1: a head that shakes
        "\U0001f9d1\U0001f3fb\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f9d1\U0001f3ff",
    ],
    ids=ascii,
)
def test_flags_of_regions_and_the_emoji_of_the_last_years_are_emoji(emoji: str) -> None:
    """What the server's Python had not heard of was refused as no emoji."""
    assert rules.check_emoji(emoji) == emoji


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
