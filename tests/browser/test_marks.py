"""Pins, what a message said before, and @channel, in two browsers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room
from tests.support.server import LiveServer

pytestmark = pytest.mark.browser
STORE = """
from accounts.models import User
from chat.models import Channel, ChannelMembership
channel = Channel.objects.get(key={key!r})
ChannelMembership.objects.update_or_create(
    channel=channel, user=User.objects.get(username={name!r}), defaults={{"role": "moderator"}}
)
people = [User(username=f"crowd{{channel.pk}}x{{number}}", password="!") for number in range(200)]
User.objects.bulk_create(people)
ChannelMembership.objects.bulk_create(ChannelMembership(channel=channel, user=user) for user in people)
"""


def test_a_moderator_pins_looks_at_an_edit_and_calls_everybody(people: People, room: Room, server: LiveServer) -> None:
    ada, bob = people("ada").register(), people("bob").register(room.path)
    server.manage("shell", "-c", STORE.format(key=room.key, name=ada.name))
    ada.visit(room.path)
    bob.say("tea at four")
    # Its author edits it, and sees what it said; so does a moderator.
    row = bob.row("tea at four")
    row.hover()
    row.get_by_role("button", name="Edit").click()
    bob.page.get_by_label("Edit message").fill("tea at five")
    bob.page.get_by_role("button", name="Save").click()
    for person in (bob, ada):
        person.row("tea at five").get_by_role("button", name="edited").click()
        earlier = person.page.get_by_role("dialog", name="Earlier texts")
        expect(earlier.get_by_text("tea at four")).to_be_visible()
        earlier.get_by_role("button", name="Close").click()
    # The moderator pins it; the other one finds it, and can't take it down.
    row = ada.row("tea at five")
    row.hover()
    row.get_by_role("button", name="Pin", exact=True).click()
    expect(ada.page.get_by_text("The message is pinned")).to_be_visible()
    bob.page.get_by_role("button", name="Pins").click()
    pins = bob.page.get_by_role("dialog", name="Pinned messages")
    expect(pins.get_by_text("tea at five")).to_be_visible()
    expect(pins.get_by_role("button", name="Unpin")).to_have_count(0)
    ada.row("tea at five").hover()
    ada.row("tea at five").get_by_role("button", name="Unpin").click()
    expect(pins.get_by_text("Nothing is pinned in this channel.")).to_be_visible()
    pins.get_by_role("button", name="Close").click()
    # Two hundred people are told only by whoever means it. One of them looks elsewhere.
    bob.page.goto(f"{bob.url}/#/")
    ada.say("@channel the tea is ready")
    asked = ada.row("the tea is ready")
    expect(asked.get_by_text("people at once. Is that meant?")).to_be_visible()
    asked.get_by_role("button", name="Tell them").click()
    expect(asked.get_by_role("button", name="Tell them")).to_have_count(0)
    expect(bob.place(room.name).get_by_text("mention")).to_be_attached()
