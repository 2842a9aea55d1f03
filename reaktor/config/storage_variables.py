"""The variables of what lasts: the data directory, the name of its host, and the database. Reads the machine's name."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from reaktor.config.model import MAX_HOST_NAME, Database
from reaktor.config.urls import DATABASE_SCHEMES
from reaktor.config.variables import Reader

HOST_NAME = rf"(?=.{{1,{MAX_HOST_NAME}}}\Z)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"


def read_storage(reader: Reader) -> dict[str, Any]:
    """The fields of Config that are no part of it, by their names."""
    reader.section = "Storage"
    return {
        "data_dir": Path(
            reader.text(
                "DATA_DIR",
                "var",
                "The directory of the SQLite database, of the secrets that the server made, and of the run "
                "directory. It belongs to one server on one host: a second one there is refused.",
                unit="path",
            )
        ).absolute(),
        "host_name": _host_name(reader),
        "is_host_named": reader.is_given("HOST_NAME"),
        "database_url": reader.service_url(
            "DATABASE_URL",
            "The database: `postgres://user:password@host:5432/name`, or `sqlite:////path/to/file`. In a user "
            "name, password or path write `/` as `%2F`, `?` as `%3F`, `@` as `%40` and `%` as `%25`.",
            DATABASE_SCHEMES,
            shown="SQLite in DATA_DIR",
        ),
        "database_direct_url": _database_direct_url(reader),
    }


def _host_name(reader: Reader) -> str:
    """HOST_NAME, else what the machine is called, in the letters that a name may have."""
    own = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname())[:MAX_HOST_NAME].strip("-.") or "localhost"
    name = reader.text(
        "HOST_NAME",
        own,
        "What this host is called among those that work on the same database: letters, digits, `.` and `-`. Each "
        "has a name of its own, and keeps it over restarts.",
        unit="name",
        shown="the machine's name",
    )
    if not re.fullmatch(HOST_NAME, name):
        reader.problems.append(
            f"HOST_NAME={name!r} is not a name of up to {MAX_HOST_NAME} letters, digits, dots and hyphens, with a "
            "letter or digit at both ends"
        )
    return name


def _database_direct_url(reader: Reader) -> str:
    url = reader.service_url(
        "DATABASE_DIRECT_URL",
        "The same database past a pooler such as PgBouncer, if DATABASE_URL leads to one: for the supervisor, "
        "`manage.py prepare` and all other commands. In transaction mode they need it.",
        [scheme for scheme in DATABASE_SCHEMES if scheme != "sqlite"],
        shown="DATABASE_URL",
    )
    pooled = reader.env.get("DATABASE_URL", "").strip()
    if url and (not pooled or pooled.startswith("sqlite:")):
        reader.problems.append("DATABASE_DIRECT_URL is for a pooler in front of PostgreSQL: name that in DATABASE_URL")
    return url


def read_database(reader: Reader) -> Database:
    reader.section = "Storage"
    default = Database()
    return Database(
        pool=reader.number(
            "DATABASE_POOL",
            default.pool,
            f"How many PostgreSQL connections the REST requests of one worker share. Its live sessions have "
            f"{default.own_connections} more.",
            unit="connections",
            maximum=1_000,
        ),
    )
