"""URLs of databases and of a Redis, as people write them: what a password may hold becomes what a URL parser reads.

normal_service_url() takes the text of DATABASE_URL or REDIS_URL, and gives a URL that urllib, redis-py and
django-environ read alike. What can be read in two ways is refused, in words that hold no piece of it. unix_url() is the
URL of a Redis behind a socket file. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from reaktor.config.model import ConfigError

DATABASE_SCHEMES = ("postgres", "postgresql", "pgsql", "psql", "sqlite")
REDIS_SCHEMES = ("redis", "rediss", "unix")
# Their path is a file's, which may hold anything.
FILE_SCHEMES = ("sqlite", "unix")
AMBIGUOUS = "can't be read: in a user name, password or path write / as %2F, ? as %3F, @ as %40 and [ ] as %5B %5D"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]@\s]*)(?::(\d{0,5}))?")
_PLAIN = "!$&'()*,;=-._~:"
_ESCAPE = re.compile(r"(%[0-9A-Fa-f]{2})")


def normal_service_url(url: str, schemes: Sequence[str]) -> str:
    """The URL with everything quoted that is not the URL's own. Raises ConfigError, without a piece of it."""
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in schemes:
        raise ConfigError(f"does not begin with one of {', '.join(f'{each}://' for each in schemes)}")
    # Neither a database nor a Redis has fragments: the sign belongs to what stands around it.
    rest = rest.replace("#", "%23")
    end = re.search(r"[/?]", rest)
    authority, behind = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    path, asks, query = behind.partition("?")
    users, at, hosts = authority.rpartition("@")
    _check(scheme, hosts, path, query)
    user, colon, password = users.partition(":")
    return f"{scheme}://{_quoted(user)}{colon}{_quoted(password)}{at}{hosts}{_quoted(path, '/@')}{asks}{query}"


def _check(scheme: str, hosts: str, path: str, query: str) -> None:
    """Raises ConfigError where a sign of the password may have ended the part that it stands in."""
    is_file = scheme in FILE_SCHEMES
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    has_bad_host = any(match is None or int(match[2] or 0) > 65_535 for match in found)
    if (has_bad_host and not is_file) or ("@" in path and not is_file):
        raise ConfigError(AMBIGUOUS)
    if any("=" not in pair for pair in query.split("&") if query):
        raise ConfigError(AMBIGUOUS)


def _quoted(text: str, more: str = "") -> str:
    """Quoted where it is not yet. A plus is a blank to some readers, and stands for itself here."""
    parts = _ESCAPE.split(text)
    return "".join(part if index % 2 else quote(part, safe=_PLAIN + more) for index, part in enumerate(parts))


def unix_url(path: Path) -> str:
    """The URL of a Redis that listens on a socket file, whatever its path is made of."""
    return f"unix://{quote(str(path))}"
