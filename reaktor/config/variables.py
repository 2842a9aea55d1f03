"""How one environment variable is read and described: kinds, bounds, and the row that the documentation shows.

The …_variables.py beside this name the variables, each with its sentence. docs/settings.md and docker/chat.env are made
from what was asked for while reading (Reader.variables). Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from reaktor.addresses import IpNetwork
from reaktor.config.model import ConfigError, Rate
from reaktor.config.urls import normal_service_url
from reaktor.hosts import host_of, normal_host, normal_origin

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_SHOWN_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
SWITCH = {"1": True, "on": True, "yes": True, "true": True, "0": False, "off": False, "no": False, "false": False}
DURATION = "duration"
RATE = "count/period"
LIST = "list"


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the documentation. `default` as one would write it; empty: none.

    `is_secret`: may come from the file that NAME_FILE names. `is_required`: production refuses to start without it.
    """

    name: str
    section: str
    default: str
    unit: str
    about: str
    is_secret: bool = False
    is_required: bool = False


def parse_duration_s(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `2h`, `7d`, `250ms`. Raises ConfigError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a duration such as 90s, 10m or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_rate(text: str) -> Rate:
    """`60/10m` as a Rate. Raises ConfigError."""
    count, slash, period = text.partition("/")
    if not slash or not count.strip().isdigit() or int(count) < 1:
        raise ConfigError(f"{text!r} is not a rate such as 60/10m")
    period = period.strip()
    return Rate(int(count), parse_duration_s(period if period[:1].isdigit() else f"1{period}"))


def format_duration(seconds: float) -> str:
    """The shortest text that parse_duration_s() reads as these seconds."""
    for unit, size in _SHOWN_UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


class Reader:
    """Takes variables one by one, notes each for the documentation, and gathers what is wrong with them.

    `section` is the heading under which the next ones stand.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []
        self.variables: list[Variable] = []
        self.section = ""

    def is_given(self, name: str) -> bool:
        """Whether somebody set it, to more than blanks; the documentation hears nothing of the question."""
        return bool(self.env.get(name, "").strip())

    def text(
        self,
        name: str,
        default: str,
        about: str,
        *,
        unit: str = "text",
        shown: str | None = None,
        secret: bool = False,
        required: bool = False,
    ) -> str:
        """The value without the blanks around it. `shown`: the default in words, where it depends on the machine."""
        self.variables.append(
            Variable(name, self.section, default if shown is None else shown, unit, about, secret, required)
        )
        return self.env.get(name, "").strip() or default

    def number(
        self,
        name: str,
        default: int,
        about: str,
        *,
        unit: str = "count",
        minimum: int = 1,
        maximum: int = 2**31,
        shown: str | None = None,
    ) -> int:
        raw = self.text(name, str(default), about, unit=unit, shown=shown)
        if not raw.isdigit() or not minimum <= int(raw) <= maximum:
            self.problems.append(f"{name}={raw!r} is not a whole number from {minimum} to {maximum}")
            return default
        return int(raw)

    def seconds(self, name: str, default: float, about: str) -> float:
        raw = self.text(name, format_duration(default), about, unit=DURATION)
        try:
            return parse_duration_s(raw)
        except ConfigError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def rate(self, name: str, default: Rate, about: str) -> Rate:
        raw = self.text(name, f"{default.count}/{format_duration(default.period_s)}", about, unit=RATE)
        try:
            return parse_rate(raw)
        except ConfigError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def switch(self, name: str, default: bool, about: str, *, shown: str | None = None) -> bool:
        raw = self.text(name, "on" if default else "off", about, unit="on, off", shown=shown)
        if raw.lower() not in SWITCH:
            self.problems.append(f"{name}={raw!r} is neither on nor off")
            return default
        return SWITCH[raw.lower()]

    def choice(self, name: str, default: str, about: str, *, among: tuple[str, ...]) -> str:
        raw = self.text(name, default, about, unit=", ".join(among))
        if raw not in among:
            self.problems.append(f"{name}={raw!r} is none of {', '.join(among)}")
            return default
        return raw

    def words(self, name: str, default: tuple[str, ...], about: str, *, shown: str | None = None) -> tuple[str, ...]:
        raw = self.text(name, ",".join(default), about, unit=LIST, shown=shown)
        return tuple(word for word in re.split(r"[,\s]+", raw) if word)

    def service_url(self, name: str, about: str, schemes: Sequence[str], *, shown: str) -> str:
        """The URL of a database or a Redis, which may hold a password: what is wrong with it is told without it."""
        url = self.text(name, "", about, unit="URL", shown=shown, secret=True)
        try:
            return normal_service_url(url, schemes) if url else ""
        except ConfigError as error:
            self.problems.append(f"{name} {error}")
            return ""

    def hosts(self, name: str, about: str) -> tuple[str, ...]:
        """Host names; of a whole origin its host alone, since the port and the scheme play no part."""
        return self._normal(name, self.words(name, (), about), host_of, "a host name such as chat.example")

    def origins(self, name: str, default: tuple[str, ...], about: str) -> tuple[str, ...]:
        return self._normal(
            name, self.words(name, default, about), normal_origin, "an origin such as https://app.example"
        )

    def _normal(self, name: str, words: tuple[str, ...], normal: Callable[[str], str], wanted: str) -> tuple[str, ...]:
        found: list[str] = []
        for word in words:
            try:
                found.append(normal(word))
            except ValueError:
                self.problems.append(f"{name}: {word!r} is not {wanted}")
        return tuple(found)

    def places(self, name: str, about: str, port: int) -> tuple[tuple[str, int], ...]:
        """Hosts with their ports; `port`: where none is given."""
        found = []
        for word in self.words(name, (), about):
            try:
                parts = urlsplit(f"//{word}")
                if parts.netloc != word or "@" in word or not parts.hostname:
                    raise ValueError("more than a host and a port")
                found.append((normal_host(parts.hostname).strip("[]"), parts.port or port))
            except ValueError:
                self.problems.append(f"{name}: {word!r} is not a host with its port, such as redis-1.example:{port}")
        return tuple(found)

    def networks(self, name: str, about: str, *, required: bool = False) -> tuple[IpNetwork, ...]:
        found: list[IpNetwork] = []
        for word in re.split(r"[,\s]+", self.text(name, "", about, unit="addresses, networks", required=required)):
            try:
                if word:
                    found.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                self.problems.append(f"{name}: {word!r} is not an address or network")
        return tuple(found)
