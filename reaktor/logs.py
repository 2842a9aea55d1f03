"""Log lines: one for people on a terminal, one as JSON. Query strings are masked, since tokens travel in them."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime

# Both open a session to whoever has them; the second is the only credential of a Socket.IO client that polls.
_SECRETS = re.compile(r"\b((?:token|sid)=)[^&\s\"']+")
_WORKER = os.environ.get("REAKTOR_WORKER", "")


def mask(text: str) -> str:
    """The text with the value of every `token=` and `sid=` parameter hidden."""
    return _SECRETS.sub(r"\1***", text)


class HumanFormatter(logging.Formatter):
    """`12:30:01.250 WARNING [1.3] reaktor.cluster: worker 1.3 hangs`; the worker only where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        worker = f" [{_WORKER}]" if _WORKER else ""
        line = f"{at} {record.levelname}{worker} {record.name}: {record.getMessage()}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return mask(line)


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, worker?, exception?."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        if _WORKER:
            entry["worker"] = _WORKER
        if record.exc_info:
            entry["exception"] = mask(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)
