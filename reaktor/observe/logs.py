"""Log lines: one for people on a terminal, one as JSON. Each says which host, worker, request and session it is about.

What must not stand in a log is masked last, whoever wrote it: tokens, session ids, passwords in URLs, and the rows that
PostgreSQL quotes in its errors (a message's text may be among them).
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime

from reaktor.observe.logcontext import REQUEST_ID, SESSION

_MASKS = (
    # The first two open a session to whoever has them; `sid` is the only credential of a Socket.IO client that polls.
    (re.compile(r"\b((?:(?:access_|refresh_)?token|sid|ticket|password)=)[^&\s\"']+"), r"\1***"),
    # An invite's code opens a channel, or the server, to whoever reads it.
    (re.compile(r"(?<=[/-]invites/)[^/\s\"']+"), "***"),
    # The link that stops mails stops them for whoever follows it.
    (re.compile(r"(?<=/unsubscribe/)[^/\s\"']+"), "***"),
    # A webhook's token is in its path, and posts for whoever reads it. Numbers are ids.
    (re.compile(r"(?<=/hooks/)(?!\d+(?:[/?\s\"']|\Z))[^/?\s\"']+"), "***"),
    (re.compile(r"\brk[bh]_[\w.-]+"), "***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "***"),
    (re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]+(?=@)"), r"\1:***"),
    (re.compile(r"(?<=\bDETAIL:).*?(?=\n\n(?:The above exception|During handling)|\Z)", re.DOTALL), " ***"),
)


def mask(text: str) -> str:
    """The text without secrets: each is replaced by `***`."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return text


def subject() -> dict[str, str]:
    """What the running code serves: host, worker, request, session; only what there is."""
    # Not at import: a spare is told only later which worker it becomes.
    worker = os.environ.get("REAKTOR_WORKER", "")
    host = os.environ.get("REAKTOR_HOST", "")
    known = (("host", host), ("worker", worker), ("request", REQUEST_ID.get()), ("session", SESSION.get()))
    return {name: value for name, value in known if value}


class HumanFormatter(logging.Formatter):
    """`12:30:01.250 WARNING [worker=1.3 session=Vq3xA9Zb] reaktor.process.bus: away`; no empty brackets."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        about = " ".join(f"{name}={value}" for name, value in subject().items())
        line = f"{at} {record.levelname}{f' [{about}]' if about else ''} {record.name}: {mask(record.getMessage())}"
        if record.exc_info:
            line = f"{line}\n{mask(self.formatException(record.exc_info))}"
        return line


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, host?, worker?, request?, session?, exception?."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
            **subject(),
        }
        if record.exc_info:
            entry["exception"] = mask(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)
