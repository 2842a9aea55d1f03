"""Secrets: where they come from when the environment does not hold them itself.

NAME_FILE names a file that holds NAME (container secrets). SECRET_KEY, JWT_SECRET and VAPID_KEY may also lie in the
data directory (0600): development makes them there on first use, production only by
`python -m reaktor.config.secrets` (the entry point). Where SECRET_KEY is given, VAPID_KEY is derived from it unless it
is given, too: then all hosts have the same.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from reaktor.config.environment import variables
from reaktor.config.model import ConfigError

STORED = {"SECRET_KEY": "secret_key", "JWT_SECRET": "jwt_secret", "VAPID_KEY": "vapid_key"}
"""Variables that may be kept in the data directory, and the names of their files there."""
OPTIONAL = frozenset({"VAPID_KEY"})
"""Those without which production serves all the same."""
FILE_SUFFIX = "_FILE"


def with_files(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with what its NAME_FILE variables point at, trailing line ends cut off.

    Raises ConfigError with all that can't be read, or is given twice.
    """
    found, problems = dict(env), []
    for name in (variable.name for variable in variables() if variable.is_secret):
        path = env.get(name + FILE_SUFFIX, "").strip()
        if not path:
            continue
        if env.get(name, "").strip():
            problems.append(f"{name} and {name}{FILE_SUFFIX} are both given")
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name}{FILE_SUFFIX}: {path} can't be read ({_reason(error)})")
    if problems:
        raise ConfigError("; ".join(problems))
    return found


def stored_secret(data_dir: Path, name: str) -> str:
    """The secret kept as `data_dir/<name>`; empty when there is none, or none that this user may read."""
    try:
        return (data_dir / name).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def derived_secret(secret: str, name: str) -> str:
    """Another secret that is the same wherever this one is; it tells nothing of it."""
    return hmac.digest(secret.encode(), f"reaktor {name}".encode(), "sha256").hex()


def stand_in_secret() -> str:
    """For a process that signs nothing (collectstatic): random, and forgotten with it."""
    return secrets.token_urlsafe(48)


def made_secret(data_dir: Path, name: str) -> str:
    """The secret kept as `data_dir/<name>` (0600), made on first use; two processes that race get the same one."""
    path = data_dir / name
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    # Written aside, then linked: a reader never sees half a secret, and the first of two writers wins.
    aside = data_dir / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text(encoding="ascii")


def make_missing(env: Mapping[str, str]) -> list[Path]:
    """Make the secrets that neither the environment nor the data directory holds; the files that are new."""
    data_dir = Path(env.get("DATA_DIR", "").strip() or "var").absolute()
    given = {name for name in STORED if env.get(name, "").strip() or env.get(name + FILE_SUFFIX, "").strip()}
    if "SECRET_KEY" in given:
        # Several hosts are given the same one. Keys that each of them made would not be.
        given.add("VAPID_KEY")
    made = []
    for name, file_name in STORED.items():
        if name not in given and not (data_dir / file_name).exists():
            made_secret(data_dir, file_name)
            made.append(data_dir / file_name)
    return made


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__


if __name__ == "__main__":
    try:
        for path in make_missing(os.environ):
            sys.stderr.write(f"made {path}: keep it; a new one logs everybody out, or ends their push\n")
    except OSError as error:
        sys.exit(f"Can't keep secrets in the data directory: {error}")
