"""Where a push may go: https, a host of the settings, and an address that everybody can reach.

Somebody who subscribes names the address that this server will call. So it must not be one of this network, and it is
looked at when the connection is made: who answers for a name may say one thing now and another thing later.
"""

from __future__ import annotations

import asyncio
import socket
import typing
from urllib.parse import urlsplit

import httpcore

from reaktor.addresses import is_public, parse_address
from reaktor.config.model import Push
from reaktor.errors import InvalidError

HTTPS_PORT = 443


class Targets:
    """The hosts of PUSH_HOSTS."""

    def __init__(self, config: Push) -> None:
        self._hosts = frozenset(_with_port(host) for host in config.hosts)
        self.allows_private = config.allows_private

    def check(self, endpoint: str) -> None:
        """Raises InvalidError: nothing is ever sent there."""
        if not self.allows(endpoint):
            raise InvalidError("That is not an address of a push service.", fields={"endpoint": "of a push service"})

    def allows(self, endpoint: str) -> bool:
        try:
            parts = urlsplit(endpoint)
            port = parts.port or HTTPS_PORT
        except ValueError:
            return False
        if not endpoint.isascii() or not endpoint.isprintable() or "\\" in endpoint or " " in endpoint:
            return False
        host = parts.hostname or ""
        if parts.scheme != "https" or "@" in parts.netloc or parts.fragment or not host:
            return False
        _, _, above = host.partition(".")
        wanted = {f"{host}:{port}"}
        while above:
            wanted.add(f"*.{above}:{port}")
            _, _, above = above.partition(".")
        return not wanted.isdisjoint(self._hosts)


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very address that was looked at, and to no private one."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: typing.Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises httpcore.ConnectError, httpcore.ConnectTimeout."""
        address = await self._resolve(host, port, timeout)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: typing.Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: no endpoint names one."""
        raise httpcore.ConnectError("no address of a push service")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int, timeout: float | None) -> str:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except OSError as error:
            raise httpcore.ConnectError("the name can't be resolved") from error
        addresses = [str(entry[4][0]) for entry in found]
        usable = [text for text in addresses if self._allows_private or _is_public(text)]
        if not usable:
            raise httpcore.ConnectError("the name has no public address")
        return usable[0]


def _is_public(text: str) -> bool:
    address = parse_address(text)
    return address is not None and is_public(address)


def _with_port(host: str) -> str:
    return host if ":" in host else f"{host}:{HTTPS_PORT}"
