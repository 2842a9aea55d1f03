"""The log of a real server that was used in every way: what it says of each request, and what it must not say."""

from __future__ import annotations

import json
import secrets
from urllib.parse import unquote

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.native import NativeClient, Refused
from tests.support.ports import wait_for
from tests.support.server import LiveServer

PASSWORD = "a password nobody sees"
TEXT = "a message nobody sees"


@pytest.fixture(scope="module")
def talkative(make_server: MakeServer) -> LiveServer:
    """A server that logs all that it can."""
    return make_server(LOG_FORMAT="json", LOG_LEVEL="DEBUG", ACCESS_LOG="on")


def access_lines(server: LiveServer) -> list[dict[str, str]]:
    found = (json.loads(line) for line in server.log().splitlines() if line.startswith("{"))
    return [line for line in found if line["logger"] == "reaktor.access"]


async def test_each_request_has_a_line_with_its_id_and_no_line_has_a_secret(talkative: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=talkative.url) as http:
        name = f"quiet{secrets.token_hex(4)}"
        made = await http.post("/api/v1/accounts", json={"username": name, "password": PASSWORD})
        token, refresh = made.json()["access"], made.json()["refresh"]
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "my-own"}
        path = "/api/v1/channels/general/messages"
        posted = await http.post(path, json={"text": TEXT, "nonce": "1"}, headers=headers)
        assert posted.status_code == 201
        await http.post("/api/v1/tokens", json={"username": name, "password": f"{PASSWORD}, wrong"})
        await http.post("/api/v1/invites/SECRETCODE/accept", headers=headers)
        await http.post("/hooks/rkh_SECRETHOOK", json={"text": TEXT})
        await http.post("/api/v1/hooks/SECRET%48OOK?x=rkh_SECRETHOOK", json={"text": TEXT})
        made = await http.post("/api/v1/channels", json={"name": "Tea"}, headers=headers)
        hook = await http.post(
            f"/api/v1/channels/{made.json()['key']}/hooks", json={"name": "Grafana"}, headers=headers
        )
        assert (await http.post(hook.json()["url"], content=b"junk")).status_code == 400
        assert (await http.post(hook.json()["url"], json={"text": TEXT})).text == "ok"
        hook_id = hook.json()["hook"]["id"]
        await http.delete(f"/api/v1/channels/{made.json()['key']}/hooks/{hook_id}", headers=headers)
        file = await http.post("/api/v1/files?name=SECRETNAME.txt", content=b"tea", headers=headers)
        signed = await http.post("/api/v1/files/sign", json={"ids": [file.json()["id"]]}, headers=headers)
        address = signed.json()["results"][0]["url"]
        assert (await http.get(address)).content == b"tea"
        cookie = (await http.post("/api/v1/files/cookie", headers=headers)).headers["set-cookie"].split(";")[0]
        assert (await http.get(address.partition("?")[0], headers={"Cookie": cookie})).content == b"tea"
        metrics = (await http.get("/metrics")).text
        opened = await http.get(f"/socket.io/?EIO=3&transport=polling&token={token}")
        sid = json.loads(opened.text[opened.text.index("{") : opened.text.index("}") + 1])["sid"]
        event = f'42["message:post","{TEXT}"]'
        await http.post(f"/socket.io/?EIO=3&transport=polling&sid={sid}", content=f"{len(event)}:{event}")
        await http.post(f"/socket.io/?EIO=3&transport=polling&sid={sid}", content="1:1")
        async with await NativeClient.connect(talkative.url, token) as client:
            await client.join("general")
            await client.post("general", TEXT)
            with pytest.raises(Refused):
                await client.request("message.edit", "general", message_id="no id", text=TEXT)
            await client.send_raw(f"junk {TEXT}")

    request_id = posted.headers["x-request-id"]
    assert request_id != "my-own", "nobody trusts this machine's clients"
    wait_for(lambda: any("/ws/v1" in line["message"] for line in access_lines(talkative)), 10, "the WebSocket's line")
    (line,) = (found for found in access_lines(talkative) if found["request"] == request_id)
    assert line["message"].startswith(f"127.0.0.1 POST {path} 201 ")
    (line,) = (found for found in access_lines(talkative) if "/ws/v1" in found["message"])
    assert line["session"] == client.greeting["session"][:8]

    log = talkative.log()
    for hidden in (PASSWORD, TEXT, token, refresh, sid, client.greeting["session"], "SECRETCODE", "my-own"):
        assert hidden not in log
    for opener in (address.partition("ticket=")[2], cookie.partition("=")[2]):
        assert len(opener) > 20
        assert opener not in log
        assert unquote(opener) not in log
    for hidden in ("SECRETHOOK", "SECRET%48OOK", hook.json()["token"], hook.json()["token"].removeprefix("rkh_")):
        assert hidden not in log
        assert hidden not in metrics
    assert f"/hooks/{hook_id} 204" in log
