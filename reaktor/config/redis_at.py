"""Where the server's Redis is, and how it is talked to: by its URL, or by whoever its Sentinels name.

reaktor.config.redis_variables makes a RedisAt of the environment. reaktor.redis_clients makes clients of it, and
reaktor.process.layer the channel layer. Both hand redis-py what options() and sentinel_options() give. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

TLS_SCHEME = "rediss"
SENTINEL_PORT = 26_379
SENTINEL_S = 1.0
"""How long one Sentinel may take to connect or to answer, before the next one is asked."""


@dataclass(frozen=True, slots=True)
class RedisAt:
    """One Redis. With `sentinels` (host, port) its `url` names no host, but the user, the password, the number, TLS.

    `master`: its name among the Sentinels. `ca_file`: who signed its certificate, if the system does not know them.
    """

    url: str = field(repr=False)
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    sentinel_password: str = field(default="", repr=False)
    ca_file: str = ""

    @property
    def is_tls(self) -> bool:
        return self.url.startswith(f"{TLS_SCHEME}://")

    def options(self) -> dict[str, Any]:
        """What a connection needs beside the URL; with Sentinels instead of it."""
        trust = {"ssl_ca_certs": self.ca_file} if self.ca_file else {}
        if not self.sentinels:
            return trust
        parts = urlsplit(self.url)
        number = parts.path.strip("/")
        return {
            **trust,
            **({"username": unquote(parts.username)} if parts.username else {}),
            **({"password": unquote(parts.password)} if parts.password else {}),
            **({"ssl": True} if self.is_tls else {}),
            "db": int(number) if number.isdigit() else 0,
        }

    def sentinel_options(self) -> dict[str, Any]:
        """What a connection to a Sentinel needs. Asked once: the next one may know more."""
        return {
            **({"password": self.sentinel_password} if self.sentinel_password else {}),
            **({"ssl": True} if self.is_tls else {}),
            **({"ssl_ca_certs": self.ca_file} if self.ca_file else {}),
            "socket_timeout": SENTINEL_S,
            "socket_connect_timeout": SENTINEL_S,
            "retry": None,
        }
