"""What a server says when it serves: where it is found, and of what it is made. Pure."""

from __future__ import annotations

from reaktor.config.model import Config

ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  compared, not bound


def home_of(config: Config) -> str:
    """Where a browser finds the server: under PUBLIC_URL, else on this machine."""
    if config.web.public_url:
        return f"{config.web.public_url}/"
    host = "127.0.0.1" if config.cluster.bind in ANYWHERE else config.cluster.bind.split(",")[0].strip()
    return f"http://{f'[{host}]' if ':' in host else host}:{config.cluster.port}/"


def greeting(config: Config, made_of: str) -> str:
    """The line that says that it serves. `made_of`: its processes, in words."""
    cluster = config.cluster
    where = home_of(config)
    if config.web.public_url:
        # A proxy needs to know this, and who looks for a mistake between the two.
        where = f"{cluster.bind or ANYWHERE[0]} port {cluster.port} for {where}"
    return f"Reaktor is listening on {where} ({made_of})"
