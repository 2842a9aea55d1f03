"""Follows against a plain model: whatever comes, each channel's followers are those who follow it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.delivery.follows import Follows
from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, UserId

USERS = [UserId(name) for name in ("ann", "bob", "eve")]
CHANNELS = [ChannelKey(key) for key in ("tea", "coffee", "dm-1", "dm-2")]

_follow = st.builds(Follow, st.sampled_from(CHANNELS), st.integers(0, 9), st.booleans())
_put = st.tuples(
    st.sampled_from(USERS), st.lists(_follow, unique_by=lambda follow: follow.channel, max_size=len(CHANNELS))
)
_drop = st.tuples(st.sampled_from(USERS), st.none() | st.sampled_from(CHANNELS))
_tell = st.tuples(st.sampled_from(CHANNELS), st.integers(0, 9))


@given(st.lists(st.one_of(_put.map(lambda put: ("put", *put)), _drop.map(lambda drop: ("drop", *drop)),
                          _tell.map(lambda tell: ("tell", *tell)))))  # fmt: skip
def test_the_followers_of_a_channel_are_those_who_follow_it(steps: list[tuple[str, object, object]]) -> None:
    follows = Follows()
    model: dict[UserId, dict[ChannelKey, bool]] = {}
    told: dict[ChannelKey, int] = {}
    for step in steps:
        match step:
            case "put", str(user), list(wanted):
                follows.put(UserId(user), wanted)
                model[UserId(user)] = {each.channel: each.shows_last for each in wanted}
                for each in wanted:
                    told.setdefault(each.channel, each.number)
            case "drop", str(user), channel:
                follows.drop(UserId(user), None if channel is None else ChannelKey(str(channel)))
                mine = model.pop(UserId(user), {})
                if channel is not None:
                    model[UserId(user)] = {key: shown for key, shown in mine.items() if key != channel}
            case "tell", str(channel), int(number) if follows.told(ChannelKey(channel)) is not None:
                follows.tell(ChannelKey(channel), number)
                told[ChannelKey(channel)] = number
        followed = {key for mine in model.values() for key in mine}
        told = {key: number for key, number in told.items() if key in followed}
        for channel in CHANNELS:
            for shows_last in (True, False):
                expected = {user for user, mine in model.items() if mine.get(channel) is shows_last}
                found = follows.followers(channel, shows_last=shows_last)
                assert (set(found), len(found)) == (expected, len(expected))
            assert follows.told(channel) == told.get(channel), "what is told holds while anybody follows"
        assert set(follows.users()) == {user for user, mine in model.items() if mine}
        assert all(set(follows.channels_of(user)) == set(model.get(user, {})) for user in USERS)
        assert {*follows.channels(direct=True), *follows.channels(direct=False)} == followed
        assert all(key.startswith("dm-") for key in follows.channels(direct=True))
        assert len(follows) == len(followed)
