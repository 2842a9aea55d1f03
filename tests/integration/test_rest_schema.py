"""Schemathesis makes requests of the OpenAPI document, good ones and bad ones, as everybody: no answer is an error of
ours, and each is one that the document names.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeServer
from tests.support.permissions import ROLES
from tests.support.server import LiveServer

pytestmark = pytest.mark.long

ENDS_THE_TOKEN = ("me_delete", "me_password", "me_sessions_end", "tokens_revoke", "tokens_revoke_all")
IN_EACH_FORM = ("nobody", "member", "staff")
"""Of whom each parameter is tried in each wrong form: how that is refused does not depend on the role in a channel."""
NOT_CHECKED = "positive_data_acceptance"
"""What has the right form may break a rule that no form tells: a time is over, a name one's own, a channel public."""


@pytest.fixture(scope="module")
def unlimited(make_server: MakeServer) -> LiveServer:
    return make_server(LIMITS="off")


@pytest.fixture(scope="module")
def tokens(unlimited: LiveServer) -> dict[str, str]:
    """Of whoever has each role in channels of each kind."""
    accounts = {role: unlimited.account() for role in (*ROLES, "victim")}
    names = {role: name for role, (name, _) in accounts.items()}
    unlimited.manage("shell", "-c", f"from tests.support.permissions import build; build({names!r}, 'schema')")
    return {role: token for role, (_, token) in accounts.items()}


@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_whatever_is_asked_the_answer_is_one_of_the_document(
    role: str, unlimited: LiveServer, tokens: dict[str, str], tmp_path: Path
) -> None:
    options = [f"--exclude-operation-id={name}" for name in ENDS_THE_TOKEN]
    if role not in IN_EACH_FORM:
        options.append("--phases=examples,fuzzing,stateful")
    if role != "nobody":
        options.append(f"--header=Authorization: Bearer {tokens[role]}")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run", f"{unlimited.url}/api/v1/schema",
         "--checks=all", f"--exclude-checks={NOT_CHECKED}", "--max-examples=5", "--continue-on-failure",
         "--warnings=off", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
