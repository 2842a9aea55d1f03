"""Host names and origins in the one way in which they are written here: as a browser sends them.

Letters are small, international names are Punycode, addresses are in their short form, a port that the scheme implies
is left out, and a slash or dot at the end means nothing. normal_host(), host_of(), normal_origin() and is_loopback()
take what a person or a client wrote; is_allowed_origin() is the one check of an Origin header. Pure.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

import idna

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
ANY = "*"
OPAQUE = "null"
"""What a browser sends for a page that has no origin, such as a local file."""


def normal_host(host: str) -> str:
    """A host name or address without its port; IPv6 in brackets. Patterns (`*`, `.example.com`) stay patterns.

    Raises ValueError.
    """
    name = host.strip().rstrip("/")
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return _normal_name(name)
    return f"[{address.compressed}]" if address.version == 6 else address.compressed


def _normal_name(name: str) -> str:
    """A name as browsers write it. They map letters as UTS 46 says, and refuse less than IDNA 2008 does: emoji pass."""
    if not name.isascii():
        try:
            mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
        except idna.IDNAError as error:
            raise ValueError("not a host name") from error
        name = ".".join(map(_normal_label, unicodedata.normalize("NFC", mapped).split(".")))
    name = name.lower().removesuffix(".")
    if not name or any(character in "/?#@:[]\\%" or character <= " " for character in name):
        raise ValueError("not a host name")
    return name


def _normal_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(text: str) -> str:
    """The host in a name, an address, `host:port` or a whole origin. Raises ValueError."""
    if "://" not in text:
        try:
            return normal_host(text)
        except ValueError:
            text = f"http://{text}"
    return normal_host(urlsplit(normal_origin(text)).hostname or "")


def normal_origin(origin: str) -> str:
    """`scheme://host`, and the port where it is not the scheme's own; `null` and `*` are themselves.

    Raises ValueError for anything else: a path, a user, no scheme.
    """
    text = origin.strip()
    if text in (ANY, OPAQUE):
        return text
    parts = urlsplit(text)
    if not parts.scheme or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("not an origin")
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("not an origin")
    return f"{parts.scheme}://{normal_host(parts.hostname)}{_shown_port(parts.scheme, parts.port)}"


def _shown_port(scheme: str, port: int | None) -> str:
    return "" if port in (None, DEFAULT_PORTS.get(scheme)) else f":{port}"


def is_allowed_origin(origin: str | None, allowed: Sequence[str], host: str | None = None) -> bool:
    """Whether a page of this origin may use the server. Only browsers send an Origin; None is a client of another kind.

    `allowed`: origins as normal_origin() writes them, or `*`. `host`: the Host header, where a page of the host that
    was asked may come in if nothing is listed.
    """
    if origin is None or ANY in allowed:
        return True
    try:
        normal = normal_origin(origin)
        if not allowed and host and normal != OPAQUE:
            return normal == normal_origin(f"{urlsplit(normal).scheme}://{host}")
    except ValueError:
        return False
    return normal in allowed
