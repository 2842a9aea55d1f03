"""/api/v1/me: one's second factor and app passwords. Thin, as accounts.api, beside which it stands.

Wrong passwords and codes are counted by accounts.limits; the right ones by Limit.CHANGES, since each costs a hash.
"""

from __future__ import annotations

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import app_passwords, second_factor, services
from accounts.api import PasswordGiven, UserView
from accounts.app_passwords import AppPasswordData, AppPasswordMade
from accounts.second_factor import RecoveryCodes, SecondFactorBegun, SecondFactorData
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import NOT_BLANK, READS, Input, Text, answers, operation


class CodeGiven(Input):
    example: ClassVar = {"code": "123456"}
    code = Text(max_length=second_factor.MAX_CODE_CHARS)


class PasswordOrCode(Input):
    example: ClassVar = {"password": "correct horse battery"}
    password = Text(max_length=services.MAX_PASSWORD_CHARS, required=False)
    code = Text(max_length=second_factor.MAX_CODE_CHARS, required=False)


class PasswordAndCode(PasswordGiven):
    example: ClassVar = {"password": "correct horse battery", "code": "123456"}
    code = Text(max_length=second_factor.MAX_CODE_CHARS)


class AppPasswordInput(PasswordGiven):
    example: ClassVar = {"name": "Old phone", "password": "correct horse battery"}
    name = Text(max_length=app_passwords.MAX_NAME_CHARS, pattern=NOT_BLANK)


class SecondFactorView(UserView):
    @operation(READS, operation_id="second_factor_get", responses=answers({200: SecondFactorData}, 403), tags=["me"])
    def get(self, request: Request) -> Response:
        """Whether there is a second factor, and how many recovery codes are left."""
        return Response(second_factor.state(self.user(request)))

    @operation(
        Limit.CHANGES,
        operation_id="second_factor_begin",
        body=PasswordGiven,
        responses=answers({200: SecondFactorBegun}, 403, 409),
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """Begin to set one up: what the authenticator app has to know. It counts when it is confirmed."""
        return Response(second_factor.begin(self.user(request), **self.wanted))

    @operation(
        Limit.CHANGES,
        body=PasswordAndCode,
        operation_id="second_factor_remove",
        responses=answers({204: None}, 403, 409),
        tags=["me"],
    )
    def delete(self, request: Request) -> Response:
        """Remove it. Body: `{"password": "…", "code": "…"}` (OpenAPI 3.0 has no word for bodies of DELETE).

        Log-ins and app passwords stay. Staff who must have one can't remove it.
        """
        second_factor.remove_own(self.user(request), **self.wanted)
        return Response(status=204)


class SecondFactorConfirmView(UserView):
    @operation(
        Limit.CHANGES,
        operation_id="second_factor_confirm",
        body=CodeGiven,
        responses=answers({200: RecoveryCodes}, 403, 409),
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """The app's code: from now on logging in asks for one. The recovery codes are shown this once.

        Whoever is logged in stays so, also elsewhere.
        """
        return Response(second_factor.confirm(self.user(request), **self.wanted))


class RecoveryCodesView(UserView):
    @operation(
        Limit.CHANGES,
        operation_id="second_factor_recovery_codes",
        body=PasswordOrCode,
        responses=answers({200: RecoveryCodes}, 403, 409),
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """New recovery codes, for the password or a code; the old ones are no good any more."""
        given = {"password": None, "code": None, **self.wanted}
        return Response(second_factor.recovery_codes_renew(self.user(request), **given))


class AppPasswordsView(UserView):
    @operation(
        READS, operation_id="app_passwords_list", responses=answers({200: ListData[AppPasswordData]}, 403), tags=["me"]
    )
    def get(self, request: Request) -> Response:
        """One's app passwords, oldest first, at most 20."""
        return Response({"results": app_passwords.app_passwords_of(self.user(request)), "next": None})

    @operation(
        Limit.CHANGES,
        operation_id="app_passwords_create",
        body=AppPasswordInput,
        responses=answers({201: AppPasswordMade}, 403, 409),
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """A password for one client that can't ask for a code: it opens `POST /auth/login`. Shown this once."""
        return Response(app_passwords.app_password_create(self.user(request), **self.wanted), status=201)


class AppPasswordView(UserView):
    @operation(
        Limit.CHANGES, operation_id="app_passwords_revoke", responses=answers({204: None}, 403, 404), tags=["me"]
    )
    def delete(self, request: Request, app_password_id: str) -> Response:
        """Revoke one: every token and every live session that came by it ends."""
        app_passwords.app_password_revoke(self.user(request), app_password_id)
        return Response(status=204)
