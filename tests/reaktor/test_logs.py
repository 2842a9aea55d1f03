"""What a log line says, and what must never stand in one."""

import json
import logging
import sys
from datetime import datetime

import pytest

from reaktor import logs
from reaktor.logs import HumanFormatter, JsonFormatter, mask


def record_of(message: str, *args: object, error: Exception | None = None) -> logging.LogRecord:
    exception = None
    if error is not None:
        try:
            raise error
        except type(error):
            exception = sys.exc_info()
    return logging.LogRecord("reaktor.cluster", logging.WARNING, __file__, 1, message, args, exception)


def test_tokens_and_session_ids_are_masked_wherever_they_stand() -> None:
    line = '"GET /socket.io/?token=SECRET1&EIO=3&sid=0.1.SECRET2&t=x HTTP/1.1" 200 and sid=SECRET3'
    assert mask(line) == '"GET /socket.io/?token=***&EIO=3&sid=***&t=x HTTP/1.1" 200 and sid=***'


def test_other_parameters_are_left_alone() -> None:
    assert mask("?inside=1&EIO=4") == "?inside=1&EIO=4"


def test_a_line_for_people_names_the_worker_and_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_WORKER", "1.3")
    line = HumanFormatter().format(record_of("refused ?token=%s", "SECRET", error=ValueError("bad sid=SECRET")))
    assert " WARNING [1.3] reaktor.cluster: refused ?token=***\n" in line
    assert line.endswith("ValueError: bad sid=***")
    assert "SECRET" not in line


def test_a_line_for_machines_is_one_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_WORKER", "1.3")
    line = JsonFormatter().format(record_of("refused\n?token=%s", "SECRET", error=ValueError("bad sid=SECRET")))
    assert "\n" not in line
    entry = json.loads(line)
    assert datetime.fromisoformat(entry.pop("time")).tzinfo is not None
    assert entry.pop("exception").endswith("ValueError: bad sid=***")
    assert entry == {
        "level": "warning",
        "logger": "reaktor.cluster",
        "message": "refused\n?token=***",
        "worker": "1.3",
    }
