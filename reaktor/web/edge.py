"""What an answer carries that is given before an application was asked: the same as all others.

Edge.headers() gives the headers that keep pages safe and say who may read the answer; Edge.has_flat_errors() the shape
of an error there. date_header() is for every answer, whoever gives it. asked_of() reads path and origin out of the
first bytes of a request, for whoever must answer one that nobody has parsed. Pure but for the clock.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from reaktor.config.model import Config
from reaktor.web.cors_policy import SEED_PATHS, CorsPolicy, all_policies, is_under, policy_for
from reaktor.web.reply import Header

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
REFERRER_POLICY = "same-origin"
OPENER_POLICY = "same-origin"
FRAME_OPTIONS = "DENY"
NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
SAFETY: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", OPENER_POLICY.encode()),
    (b"referrer-policy", REFERRER_POLICY.encode()),
    NOSNIFF,
    (b"x-frame-options", FRAME_OPTIONS.encode()),
)
"""What Django's middleware (reaktor.settings.base) adds to its answers; a test compares."""
_REQUEST_LINE = re.compile(rb"[A-Z]+ (?:https?://[^/?# ]*)?([^?# ]*)[^ ]* HTTP/1\.[01]\r\n", re.IGNORECASE)
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)


@lru_cache(maxsize=2)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode("ascii")


def date_header() -> Header:
    """When this answer was made: without it a client can't tell how wrong its own clock is (RFC 9110, 6.6.1)."""
    return b"date", _http_date(int(time.time()))


def has_header(headers: Iterable[Header], name: bytes) -> bool:
    """Whether a header of this lower-case name is among them."""
    return any(each[0].lower() == name for each in headers)


@dataclass(frozen=True, slots=True)
class Edge:
    """The policies of one server. `hsts_s`: how long browsers remember that it is for HTTPS alone; 0: not told."""

    policies: tuple[CorsPolicy, ...] = ()
    hsts_s: int = 0

    @property
    def safety(self) -> list[Header]:
        """For every answer, whoever may read it."""
        hsts = [(b"strict-transport-security", b"max-age=%d" % self.hsts_s)] if self.hsts_s else []
        return [*SAFETY, *hsts]

    def headers(self, path: str, origin: str) -> list[Header]:
        """For an answer to a request of this path, from a page of this origin ("": none given)."""
        found = self.safety
        policy = policy_for(path, self.policies)
        if policy is not None:
            said = policy.headers(origin)
            found += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in said.items()]
            if policy.varies:
                found.append((b"vary", b"Origin"))
        return found

    @staticmethod
    def has_flat_errors(path: str) -> bool:
        """Whether an error there is a sentence, as the seed contract has it."""
        return is_under(path, SEED_PATHS)


def edge_of(config: Config) -> Edge:
    return Edge(all_policies(config), config.web.hsts_s if config.web.is_https else 0)


def asked_of(head: bytes) -> tuple[str, str]:
    """(path, origin) of a request of which these bytes have come; "" for what is not among them."""
    line, origin = _REQUEST_LINE.match(head), _ORIGIN.search(head)
    return line[1].decode("latin-1") if line else "", origin[1].decode("latin-1") if origin else ""
