"""Whatever is done in whichever order: a token is good exactly as long as nothing that ends it has happened.

A plain model says which tokens, app passwords and recovery codes are good; the services are asked for each of them
after every step. Sequences are Hypothesis' to find.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import app_passwords, logging_in, second_factor, services
from accounts.authentication import user_for_claims, verify_token
from accounts.models import User
from reaktor.config.model import Limits
from reaktor.errors import ReaktorError
from tests.support.factors import code_of
from tests.support.rest import register, set_limits

pytestmark = pytest.mark.django_db
WHERE = "192.0.2.1"


@dataclass
class Model:
    """What is good, as it should be."""

    tokens: dict[str, str] = field(default_factory=dict)
    """Token: the app password (its id) that it came by, or ""."""
    dead: list[str] = field(default_factory=list)
    app_passwords: dict[str, str] = field(default_factory=dict)
    """Id: what is typed in."""
    revoked: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    password: str = "correct horse 7"
    has_factor: bool = False

    def end(self, *, of: str | None = None) -> None:
        """The tokens of one app password, or (None) all of them."""
        for token in [token for token, came_by in self.tokens.items() if of is None or came_by == of]:
            self.dead.append(token)
            del self.tokens[token]


class World:
    """The account, and what was done to it."""

    def __init__(self) -> None:
        self.model = Model()
        self.numbers = itertools.count(1)
        register("ada")

    @property
    def ada(self) -> User:
        return User.objects.get(username="ada")

    def log_in(self) -> None:
        asked = {"username": "ada", "password": self.model.password, "address": WHERE}
        if self.model.has_factor:
            assert refusal(lambda: logging_in.tokens_log_in(**asked)) == "second_factor_required"
            assert refusal(lambda: logging_in.seed_log_in(**asked)) == "forbidden"
            return
        self.model.tokens[logging_in.tokens_log_in(**asked)["access"]] = ""
        self.model.tokens[logging_in.seed_log_in(**asked)[0]] = ""

    def log_in_by_recovery_code(self) -> None:
        if not self.model.codes:
            return
        code = self.model.codes.pop()
        self.model.used.append(code)
        pair = logging_in.tokens_log_in(username="ada", password=self.model.password, code=code, address=WHERE)
        self.model.tokens[pair["access"]] = ""

    def log_in_by_app_password(self) -> None:
        for found, typed in self.model.app_passwords.items():
            token, _ = logging_in.seed_log_in(username="ada", password=typed, address=WHERE)
            self.model.tokens[token] = found

    def make(self) -> None:
        made = app_passwords.app_password_create(self.ada, name="x", password=self.model.password)
        self.model.app_passwords[made["id"]] = made["password"]

    def revoke(self) -> None:
        if self.model.app_passwords:
            found = next(iter(self.model.app_passwords))
            app_passwords.app_password_revoke(self.ada, found)
            self.model.revoked.append(self.model.app_passwords.pop(found))
            self.model.end(of=found)

    def log_out_there(self) -> None:
        """Of one app password: it stays good."""
        token = next((token for token, came_by in self.model.tokens.items() if came_by), None)
        if token is not None:
            services.login_end(self.ada, login=verify_token(token).login)
            self.model.end(of=self.model.tokens[token])

    def log_out_everywhere(self) -> None:
        services.tokens_revoke_all(self.ada)
        self.model.end()

    def change_password(self) -> None:
        new = f"correct horse {next(self.numbers) + 7}"
        services.password_change(self.ada, self.model.password, new)
        self.model.password = new
        self.model.revoked += self.model.app_passwords.values()
        self.model.app_passwords.clear()
        self.model.end()

    def set_up(self) -> None:
        if not self.model.has_factor:
            secret = second_factor.begin(self.ada, password=self.model.password)["secret"]
            self.model.codes = second_factor.confirm(self.ada, code=code_of(secret))["recovery_codes"]
            self.model.has_factor = True

    def remove(self) -> None:
        if self.model.codes:
            code = self.model.codes.pop()
            second_factor.remove_own(self.ada, password=self.model.password, code=code)
            self.model.used += [code, *self.model.codes]
            self.model.codes, self.model.has_factor = [], False

    def new_recovery_codes(self) -> None:
        if self.model.has_factor:
            self.model.used += self.model.codes
            found = second_factor.recovery_codes_renew(self.ada, password=self.model.password, code=None)
            self.model.codes = found["recovery_codes"]

    def check(self) -> None:
        """Of what is no longer good the newest is tried, since each try costs a hash."""
        ada, model = self.ada, self.model
        self.log_in_by_app_password()
        assert {refusal(partial(user_behind, token)) for token in model.tokens} <= {""}
        assert {refusal(partial(user_behind, token)) for token in model.dead} <= {"not_authenticated"}
        assert {each["id"] for each in app_passwords.app_passwords_of(ada)} == set(model.app_passwords)
        for typed in model.revoked[-1:]:
            ask = partial(logging_in.seed_log_in, username="ada", password=typed, address=WHERE)
            assert refusal(ask) == "not_authenticated"
        state = second_factor.state(ada)
        assert (state["is_set_up"], state["recovery_codes_left"]) == (model.has_factor, len(model.codes))
        for code in model.used[-1:]:
            assert refusal(partial(second_factor.code_verify, ada, code)) == "not_authenticated"


STEPS: dict[str, Callable[[World], None]] = {
    "log in": World.log_in,
    "log in by recovery code": World.log_in_by_recovery_code,
    "make": World.make,
    "revoke": World.revoke,
    "log out there": World.log_out_there,
    "log out everywhere": World.log_out_everywhere,
    "change password": World.change_password,
    "set up": World.set_up,
    "remove": World.remove,
    "new recovery codes": World.new_recovery_codes,
}


def user_behind(token: str) -> User:
    return user_for_claims(verify_token(token))


def refusal(ask: Any) -> str:
    """The code of the error, "" for none."""
    try:
        ask()
    except ReaktorError as error:
        return error.code.value
    return ""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=14))
def test_a_token_is_good_exactly_as_long_as_nothing_that_ends_it_has_happened(db: None, steps: list[str]) -> None:
    set_limits(Limits(enabled=False))
    with transaction.atomic():
        world = World()
        for step in steps:
            STEPS[step](world)
            world.check()
        transaction.set_rollback(True)
