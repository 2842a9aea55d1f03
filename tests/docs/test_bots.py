"""The lines of docs/bots.md, copied as a reader copies them, to a real server: the bot answers, the posts arrive."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.markdown import Page
from tests.support.native import NativeClient
from tests.support.server import LiveServer

PAGE = Page(Path(__file__).resolve().parents[2] / "docs" / "bots.md")
(BOT,) = PAGE.blocks("python")
SHELL = PAGE.blocks("sh")
MAKE_BOT = next(code for code in SHELL if "me/bots" in code)
MAKE_HOOK = next(code for code in SHELL if "/hooks" in code)
POSTS = [code for code in SHELL if '"$HOOK"' in code]


@pytest.fixture(scope="module")
def unlimited(make_server: MakeServer) -> LiveServer:
    """Where no account is too new to make bots."""
    return make_server(LIMITS="off")


@pytest.fixture(scope="module")
def owner(unlimited: LiveServer) -> tuple[str, str]:
    """Somebody who may make webhooks in General."""
    name, token = unlimited.account()
    promote = f"User.objects.filter(username={name!r}).update(is_staff=True)"
    unlimited.manage("shell", "-c", f"from accounts.models import User; {promote}")
    return name, token


def run(code: str, server: LiveServer, **environment: str) -> str:
    """What a shell block prints."""
    given = {**os.environ, "API": f"{server.url}/api/v1", **environment}
    done = subprocess.run(["sh", "-euc", code], env=given, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def bot(unlimited: LiveServer, owner: tuple[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(run(MAKE_BOT, unlimited, TOKEN=owner[1]))
    assert made["bot"]["username"] == "pingbot"
    return made


@asynccontextmanager
async def pingbot(server: LiveServer, token: str, directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    file = directory / "pingbot.py"
    file.write_text(BOT)
    environment = {**os.environ, "SERVER": server.url, "TOKEN": token}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_it_is_as_long_as_it_says() -> None:
    assert len([line for line in BOT.splitlines() if line.strip()]) <= 30


async def test_the_bot_answers_people_alone_and_ends_with_its_token(
    unlimited: LiveServer, owner: tuple[str, str], bot: dict[str, Any], tmp_path: Path
) -> None:
    async with (
        await NativeClient.connect(unlimited.url, owner[1]) as ada,
        pingbot(unlimited, bot["token"], tmp_path) as process,
    ):
        await ada.join("general")
        await ada.event("member.joined", "general", username="pingbot")
        for _ in range(2):
            await ada.post("general", "!ping")
            said = await ada.message(f"@{owner[0]} pong")
            assert (said["author"], said["via"]) == ("pingbot", {"kind": "bot", "name": None})
        path = f"{unlimited.url}/api/v1/me/bots/{bot['bot']['id']}/token"
        headers = {"Authorization": f"Bearer {owner[1]}"}
        assert (await asyncio.to_thread(httpx.delete, path, headers=headers)).status_code == 204
        assert await asyncio.wait_for(process.wait(), 30) == 1
        assert process.stderr is not None
        assert (await process.stderr.read()).decode().strip() == "ended with 4503"


async def test_what_grafana_and_a_script_post_arrives_as_text(unlimited: LiveServer, owner: tuple[str, str]) -> None:
    made = json.loads(await asyncio.to_thread(run, MAKE_HOOK, unlimited, TOKEN=owner[1]))
    assert made["url"] == f"{unlimited.url}/hooks/{made['token']}"
    async with await NativeClient.connect(unlimited.url, owner[1]) as ada:
        await ada.join("general")
        assert len(POSTS) == 2
        for code in POSTS:
            assert await asyncio.to_thread(run, code, unlimited, HOOK=made["url"]) == "ok"
        said = [(await ada.event("message.new", "general"))["data"] for _ in POSTS]
    assert [each["author"] for each in said] == ["grafana", "grafana"]
    assert [each["via"]["name"] for each in said] == ["Grafana", "Grafana"]
    assert said[0]["text"] == (
        "[FIRING:1] High CPU (https://grafana.example/alerting/list)\n"
        "*host* web-1 is at 97 %, see the panel (https://grafana.example/d/1)\nGrafana v11"
    )
    assert said[1]["text"] == "Backup done: report (https://backup.example/7)"
