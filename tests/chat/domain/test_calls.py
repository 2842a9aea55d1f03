"""@channel and @here in a text, and whether they call anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.calls import MANY, CallWord, call_in, is_call
from chat.domain.errors import ConfirmationRequiredError
from chat.domain.policies import ChannelKind


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("@channel", "channel"),
        ("tea is ready, @Here!", "here"),
        ("(@here)", "here"),
        ("@here's the tea", "here"),
        ("@here and @channel", "channel"),
        ("@channelの皆さん", "channel"),
        ("@here. Now", "here"),
        ("channel here", None),
        ("@channels", None),
        ("@here_2", None),
        ("@here.example", None),
        ("@here-after", None),
        ("me@here", None),
        ("@@here", None),
        ("@here@example.org", None),
        ("https://example.org/@here", None),
        ("https://example.org/ @here", "here"),
        ("@herë", None),
        ("`@here` and\n```\n@channel\n```", None),
        ("`code` @here", "here"),
    ],
)
def test_the_words_call_where_a_name_could_stand(text: str, word: str | None) -> None:
    assert call_in(text) == word


@given(st.text(alphabet="@herchanl. -_x\n", max_size=60))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    word = call_in(text)
    assert word is None or f"@{word}" in text


ANYBODY = {"members": 3, "is_moderator": False, "told": 2, "is_confirmed": False}
CROWD = {"members": MANY + 1, "is_moderator": True, "told": 150, "is_confirmed": True}


def test_in_a_small_channel_everybody_calls() -> None:
    assert is_call(ChannelKind.PUBLIC, **ANYBODY)
    assert is_call(ChannelKind.PRIVATE, **{**ANYBODY, "members": MANY, "is_confirmed": None})
    assert not is_call(ChannelKind.PUBLIC, **{**ANYBODY, "told": 0})


@pytest.mark.parametrize("kind", [ChannelKind.DIRECT, ChannelKind.GROUP])
def test_where_people_chose_each_other_the_words_are_text(kind: ChannelKind) -> None:
    assert not is_call(kind, **ANYBODY)


def test_in_a_crowd_a_moderator_calls_who_knows_how_many_that_are() -> None:
    assert is_call(ChannelKind.PUBLIC, **CROWD)
    assert not is_call(ChannelKind.PUBLIC, **{**CROWD, "is_moderator": False})
    assert not is_call(ChannelKind.PUBLIC, **{**CROWD, "is_confirmed": None})
    with pytest.raises(ConfirmationRequiredError) as refused:
        is_call(ChannelKind.PUBLIC, **{**CROWD, "is_confirmed": False})
    told = refused.value.as_data()
    assert (told["code"], told["told"], refused.value.status) == ("confirmation_required", 150, 409)


def test_the_words_are_what_messages_are_said_to_mention() -> None:
    assert [str(word) for word in CallWord] == ["channel", "here"]
