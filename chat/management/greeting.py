"""What whoever started the server is told next: the pages, who reaches them, how one becomes administrator. Pure."""

from __future__ import annotations

from reaktor.cluster.greeting import ANYWHERE, home_of
from reaktor.config.model import Config
from reaktor.hosts import is_loopback


def next_steps(config: Config, *, is_production: bool, has_administrator: bool) -> list[str]:
    """A line for each thing to know; they stand below the line that the machinery says."""
    home = home_of(config)
    lines = [f"  The chat:            {home}", f"  For administrators:  {home}admin/"]
    if not has_administrator:
        command = "python manage.py createsuperuser" if is_production else "make admin"
        lines.append(f"                       There is no administrator yet. Make one, beside this server: {command}")
    if not is_production:
        lines.append(f"  Who reaches it:      {_reach(config)}")
    return lines


def _reach(config: Config) -> str:
    hosts = [host.strip() for host in config.cluster.bind.split(",")]
    if all(is_loopback(host) for host in hosts):
        return "this machine alone. BIND=0.0.0.0 make run opens it to your network."
    where = "every machine of your network" if set(hosts) & set(ANYWHERE) else f"whoever reaches {', '.join(hosts)}"
    return f"{where}. Anybody there can register."
