"""What must never stand in a log, what each line says it is about, and what error reports hold."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from reaktor.observe.logcontext import REQUEST_ID, SESSION, accepted_request_id
from reaktor.observe.logs import HumanFormatter, JsonFormatter, mask
from tests.reaktor.test_settings import finish, start
from tests.support.sentry import taking_reports

# What is hidden


def test_tokens_and_session_ids_are_masked_wherever_they_stand() -> None:
    line = '"GET /socket.io/?token=SECRET1&EIO=3&sid=0.1.SECRET2&t=x HTTP/1.1" 200 and sid=SECRET3'
    assert mask(line) == '"GET /socket.io/?token=***&EIO=3&sid=***&t=x HTTP/1.1" 200 and sid=***'
    assert (
        mask("GET /api/v1/files/7/a.txt?ticket=WyJ%3Aa_b-c HTTP/1.1") == "GET /api/v1/files/7/a.txt?ticket=*** HTTP/1.1"
    )
    assert mask("refused eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl, bad") == "refused ***, bad"


def test_codes_and_tokens_in_paths_are_masked() -> None:
    """Those of invites to the server, and of the link that stops mails, were not."""
    for path in ("/api/v1/invites", "/api/v1/server-invites", "/notices/unsubscribe", "/hooks", "/api/v1/hooks"):
        assert mask(f"GET {path}/SECRET:x-1 200") == f"GET {path}/*** 200"
    assert mask("GET /?password=SECRET&access_token=SECRET") == "GET /?password=***&access_token=***"
    assert mask("POST /api/v1/invites/SECRET/accept 200") == "POST /api/v1/invites/***/accept 200"


def test_passwords_in_urls_are_masked() -> None:
    assert (
        mask("postgres://me:hush@db:5432/chat and redis://:hush@r")
        == "postgres://me:***@db:5432/chat and redis://:***@r"
    )
    assert mask("https://chat.example:8443/@ada") == "https://chat.example:8443/@ada"


def test_the_rows_that_postgresql_quotes_are_masked_to_their_end() -> None:
    quoted = 'new row violates "c"\nDETAIL:  Failing row contains (1, my\nsecret).\n\nThe above exception was'
    assert mask(quoted) == 'new row violates "c"\nDETAIL: ***\n\nThe above exception was'
    assert mask("DETAIL: a\nb") == "DETAIL: ***"


def test_other_parameters_are_left_alone() -> None:
    assert mask("?inside=1&EIO=4") == "?inside=1&EIO=4"


# What a line is about


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("reaktor.test", logging.WARNING, __file__, 1, text, (), None)


@pytest.fixture
def subject() -> Iterator[None]:
    tokens = REQUEST_ID.set("r1"), SESSION.set("s1")
    yield
    REQUEST_ID.reset(tokens[0])
    SESSION.reset(tokens[1])


@pytest.mark.usefixtures("subject")
def test_both_forms_say_request_and_session() -> None:
    assert HumanFormatter().format(record("hi")).endswith("WARNING [request=r1 session=s1] reaktor.test: hi")
    entry = json.loads(JsonFormatter().format(record("hi")))
    assert (entry["request"], entry["session"], entry["message"]) == ("r1", "s1", "hi")


def test_where_there_is_neither_nothing_is_said() -> None:
    assert HumanFormatter().format(record("hi")).endswith("WARNING reaktor.test: hi")
    assert {"request", "session"} & set(json.loads(JsonFormatter().format(record("hi")))) == set()


@pytest.mark.usefixtures("subject")
async def test_a_database_thread_logs_for_whom_it_works() -> None:
    database = Database(DatabaseConfig())
    try:
        assert "session=s1" in await database.read(lambda: HumanFormatter().format(record("read")))
        assert "session=s1" in await database.write(lambda: HumanFormatter().format(record("write")))
        SESSION.set("")
        assert "session" not in await database.read(lambda: HumanFormatter().format(record("read")))
    finally:
        database.close()


@pytest.mark.parametrize("text", ["", "x" * 65, "two words", "line\nbreak", "ünï", 'quo"te'])
def test_a_proxys_id_that_is_unfit_is_not_taken(text: str) -> None:
    assert accepted_request_id(text) == ""
    assert accepted_request_id("1-67891233-abcdef/0") == "1-67891233-abcdef/0"


def record_of(message: str, *args: object, error: Exception | None = None) -> logging.LogRecord:
    exception = None
    if error is not None:
        try:
            raise error
        except type(error):
            exception = sys.exc_info()
    return logging.LogRecord("reaktor.cluster", logging.WARNING, __file__, 1, message, args, exception)


def test_a_line_for_people_names_the_worker_and_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAKTOR_WORKER", "1.3")
    line = HumanFormatter().format(record_of("refused ?token=%s", "SECRET", error=ValueError("bad sid=SECRET")))
    assert " WARNING [worker=1.3] reaktor.cluster: refused ?token=***\n" in line
    assert line.endswith("ValueError: bad sid=***")
    assert "SECRET" not in line


def test_a_line_names_the_host_where_somebody_gave_it_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAKTOR_WORKER", "1.3")
    monkeypatch.setenv("REAKTOR_HOST", "east")
    assert "[host=east worker=1.3]" in HumanFormatter().format(record_of("away"))
    assert json.loads(JsonFormatter().format(record_of("away")))["host"] == "east"


def test_a_line_for_machines_is_one_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAKTOR_WORKER", "1.3")
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


# Error reports

REPORT = """
import logging, sys
from reaktor.observe import error_reports
error_reports.start("")
assert "sentry_sdk" not in sys.modules
error_reports.start(sys.argv[1])
text = "the text of a message"
try:
    raise ValueError("bad token=HUSH1")
except ValueError:
    logging.getLogger("reaktor.test").exception("failed for %s", "sid=HUSH2")
import sentry_sdk
sentry_sdk.flush(5)
"""


def test_an_unforeseen_error_is_reported_without_anybodys_data(tmp_path: Path) -> None:
    with taking_reports() as sentry:
        code, said = finish(start("-c", REPORT, sentry.dsn, DATA_DIR=str(tmp_path)))
        assert code == 0, said
    (body,) = sentry.bodies
    assert "ValueError" in body
    assert "reaktor.test" in body
    for hidden in ("HUSH1", "HUSH2", 'the text of a message"', "breadcrumbs"):
        assert hidden not in body
