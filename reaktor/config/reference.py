"""The two documents that the variables' own descriptions make: docs/settings.md and docker/chat.env. Pure.

Written by `manage.py settings_reference`; a test compares the files with what the code would write today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import wrap

from reaktor.config.variables import DURATION, LIST, RATE, Variable

HEAD = """# Settings

<!-- Written by `manage.py settings_reference`; change reaktor/config/environment.py instead. -->

This page is for people who configure a server. After it you know every setting, its default and its unit. How to set up
a server in production is in [deployment.md](deployment.md).

Every setting is an environment variable, read at the start. An empty one counts as not given. Wrong values are all
named at once.

- Durations: `250ms`, `90s` (or `90`), `10m`, `2h`, `7d`. A rate such as `60/10m` is at most 60 in any ten minutes.
  Lists are separated by commas or blanks.
- **Needed in production**: with `DJANGO_SETTINGS_MODULE=reaktor.settings.production`, `check`, `migrate`, `prepare`,
  `runcluster` and every process that serves refuse to go on without these. They name all that is missing or unsafe.
  `collectstatic` needs none.
- **`_FILE`**: the setting may come from a file instead, as in `JWT_SECRET_FILE=/run/secrets/jwt`. The end of the line
  is cut off.
- The server that this one replaces read these names, too: `PORT`, `WORKERS`, `JWT_SECRET`, `REDIS_URL`, `REDIS_HOST`,
  `REDIS_PORT`, `REDIS_PORT_6379_TCP_ADDR`, `REDIS_PORT_6379_TCP_PORT`.
"""
ENV_HEAD = """# Every setting of the server, with its unit and its default. docs/settings.md has the same as a table.
# What compose.yaml needs is set. To change another one, take its # away.
# Written by `manage.py settings_reference --env`.
"""
ENV_WIDTH = 110


def page(variables: Sequence[Variable]) -> str:
    """docs/settings.md."""
    parts = [HEAD]
    for section, found in _sections(variables):
        parts.append(f"\n## {section}\n\n| name | default | unit | what | |\n| --- | --- | --- | --- | --- |\n")
        parts += [f"| {' | '.join(_cells(each))} |\n".replace("|  |", "| |") for each in found]
    return "".join(parts)


def env_file(variables: Sequence[Variable], given: Mapping[str, str]) -> str:
    """docker/chat.env: every variable in comments, those `given` with a value of their own."""
    parts = [ENV_HEAD]
    for section, found in _sections(variables):
        parts.append(f"\n# -- {section} {'-' * (ENV_WIDTH - len(section) - 6)}\n")
        for each in found:
            parts.append(f"\n{_comment(each)}\n")
            value = given.get(each.name)
            default = each.default if _is_value(each) else ""
            parts.append(f"#{each.name}={default}\n" if value is None else f"{each.name}={value}\n")
    return "".join(parts)


def _sections(variables: Sequence[Variable]) -> list[tuple[str, list[Variable]]]:
    return [(section, list(found)) for section, found in groupby(variables, key=lambda each: each.section)]


def _cells(variable: Variable) -> tuple[str, str, str, str, str]:
    default = f"`{variable.default}`" if variable.default and _is_value(variable) else variable.default
    marks = [
        *(["needed in production"] if variable.is_required else []),
        *(["`_FILE`"] if variable.is_secret else []),
    ]
    about = variable.about.replace("|", "\\|")
    return f"`{variable.name}`", default, variable.unit, about, ", ".join(marks)


def _comment(variable: Variable) -> str:
    marks = [variable.unit, f"default: {variable.default or 'none'}"]
    if variable.is_required:
        marks.append("needed")
    if variable.is_secret:
        marks.append(f"or {variable.name}_FILE")
    return "\n".join(f"# {line}" for line in wrap(f"{variable.about} ({'; '.join(marks)})", ENV_WIDTH))


def _is_value(variable: Variable) -> bool:
    """Whether the default is what one would write, and no description of it."""
    return " " not in variable.default or variable.unit in (DURATION, RATE, LIST)
