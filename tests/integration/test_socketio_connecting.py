"""The beginning of a Socket.IO session, by hand: a token counts when the session begins, not before."""

from __future__ import annotations

import json

import httpx

from tests.support.server import LiveServer


class Poller:
    """A polling client of revision 4 that has said nothing yet."""

    def __init__(self, http: httpx.AsyncClient, sid: str) -> None:
        self.http = http
        self.path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"

    @classmethod
    async def open(cls, http: httpx.AsyncClient, token: str) -> Poller:
        answer = await http.get("/socket.io/", params={"EIO": "4", "transport": "polling", "token": token})
        return cls(http, json.loads(answer.text[1:])["sid"])

    async def say(self, packet: str) -> None:
        assert (await self.http.post(self.path, content=packet)).status_code == 200

    async def heard(self) -> list[str]:
        return (await self.http.get(self.path)).text.split("\x1e")


async def revoke_all(http: httpx.AsyncClient, token: str) -> None:
    answer = await http.post("/api/v1/tokens/revoke-all", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204


async def test_a_transport_outlives_no_token(server: LiveServer) -> None:
    """Connecting again used to be granted to whomever the handshake had found, for as long as the transport lived."""
    _, token = server.account()
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
        poller = await Poller.open(http, token)
        await poller.say("40")
        assert (await poller.heard())[0].startswith("40{")
        await poller.say("41")
        await revoke_all(http, token)
        await poller.say("40")
        heard = ""
        while "44{" not in heard and "40{" not in heard:
            heard += "".join(await poller.heard())
        assert "40{" not in heard
        assert "not_authenticated" in heard


async def test_a_token_that_ends_behind_the_handshake_begins_nothing(server: LiveServer) -> None:
    _, token = server.account()
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
        poller = await Poller.open(http, token)
        await revoke_all(http, token)
        await poller.say("40")
        assert (await poller.heard())[0].startswith("44{")


async def test_every_session_of_a_user_is_told_that_the_user_joined(server: LiveServer) -> None:
    """A user with five sessions joined, and only one of the five was told `user : joined`."""
    name, token = server.account()
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
        pollers = [await Poller.open(http, token) for _ in range(5)]
        for poller in pollers:
            await poller.say("40")
            while not any("logged_in" in packet for packet in await poller.heard()):
                pass
        key = f"five-{name}"
        answer = await http.post(f"/channels/{key}/join", headers={"Authorization": f"Bearer: {token}"})
        assert answer.status_code == 200
        for poller in pollers:
            assert await poller.heard() == [f'42["user : joined",{{"username":"{name}","channel":"{key}"}}]']
