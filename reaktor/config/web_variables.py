"""The variables of the address: under which names people find the server, and how browsers are kept to HTTPS. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from reaktor.config.model import Web
from reaktor.config.variables import Reader
from reaktor.hosts import is_loopback, normal_host, normal_origin

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def read_web(reader: Reader) -> Web:
    reader.section = "Address"
    public_url = reader.text(
        "PUBLIC_URL",
        "",
        "The address under which people find the server, such as `https://chat.example`. It sets the "
        "hosts that the server answers to, the origins of its pages, and whether cookies are for HTTPS "
        "alone. `http` is for this machine only (`http://localhost:8000`).",
        unit="URL",
        required=True,
    )
    public_url, origins, hosts = _names(reader, public_url)
    given_hosts = reader.hosts("ALLOWED_HOSTS", "More host names that the server answers to.")
    given_origins = reader.origins(
        "ALLOWED_ORIGINS",
        (),
        "More origins whose pages may open `/ws/v1` and call `/api/v1` (`https://app.example`), or `*` "
        "for all. With neither this nor PUBLIC_URL, pages of the host that was asked may.",
    )
    trusted = reader.origins("CSRF_TRUSTED_ORIGINS", (), "More origins whose forms the admin accepts.")
    return Web(
        public_url=public_url,
        hosts=(*hosts, *given_hosts) or ("*",),
        origins=(*origins, *given_origins),
        csrf_origins=(*origins, *trusted),
        hsts_s=reader.number(
            "SECURE_HSTS_SECONDS",
            Web().hsts_s,
            "How long browsers remember that this host is for HTTPS alone. It is told them only if PUBLIC_URL "
            "is HTTPS. 0: it is not told.",
            unit="seconds",
            minimum=0,
        ),
        redirect_to_https=reader.switch(
            "SECURE_SSL_REDIRECT",
            True,
            "Send plain HTTP to HTTPS if PUBLIC_URL is HTTPS. The proxy in front must set X-Forwarded-Proto.",
        ),
    )


def _names(reader: Reader, url: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """(the URL as browsers write it, origins, hosts) of a public URL; this machine goes by all of its names."""
    if not url:
        return "", (), ()
    try:
        origin = normal_origin(url)
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https"):
            raise ValueError("not for a browser")
    except ValueError:
        reader.problems.append(f"PUBLIC_URL={url!r} is not a URL such as https://chat.example, without a path")
        return "", (), ()
    host = normal_host(parts.hostname or "")
    hosts = LOOPBACK_HOSTS if is_loopback(host) else (host,)
    behind = "" if parts.port is None else f":{parts.port}"
    return origin, tuple(f"{parts.scheme}://{name}{behind}" for name in hosts), hosts
