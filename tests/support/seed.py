"""A user of the seed contract, as its clients are: REST with the colon after Bearer, and any Socket.IO client."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from tests.support.js_client import JsClient, JsDriver

PASSWORD = "secret1"
TEXT = "Žluťoučký kůň 😀\n"


class Server(Protocol):
    """Whatever serves the seed contract at `url`."""

    @property
    def url(self) -> str: ...


class Seed:
    """A user of the seed contract, over its REST; registered by register(), or there already, with a token."""

    def __init__(self, server: Server, name: str, token: str = "") -> None:
        self.url, self.name = server.url, name
        self.token = token

    async def register(self) -> Seed:
        self.token = (await self._post("/auth/register", {"name": self.name, "password": PASSWORD}))["token"]
        return self

    async def join(self, key: str) -> dict[str, Any]:
        return await self._post(f"/channels/{key}/join", {})

    async def create_channel(self, name: str) -> dict[str, Any]:
        return await self._post("/channels", {"name": name})

    async def _post(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer: {self.token}"} if self.token else {}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20) as client:
            answer = await client.post(path, json=body)
        answer.raise_for_status()
        return dict(answer.json())

    def open(
        self,
        driver: JsDriver,
        library: str,
        transports: list[str],
        token: str | None = None,
        *,
        wants_all: bool = False,
        **options: Any,
    ) -> JsClient:
        given = {"token": self.token if token is None else token, **({"events": "all"} if wants_all else {})}
        query: Any = urlencode(given) if library in {"sio17", "sio25"} else given
        return driver.open(
            library,
            self.url,
            query=query,
            transports=transports,
            **{"forceNew": True, "reconnectionDelay": 50, **options},
        )
