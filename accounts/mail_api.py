"""/api/v1: the e-mail address of an account, and a new password by mail. Thin: the rest is accounts.addresses' and
accounts.resets'."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import addresses, resets
from accounts.api import NOT_ONLY_DIGITS, OpenView, PasswordGiven, UserView
from accounts.limits import COUNTED_BY_LIMITS
from accounts.mail_models import MAX_ADDRESS_CHARS
from accounts.mail_tokens import MAX_CHARS
from accounts.services import MAX_PASSWORD_CHARS
from reaktor.limits.rates import Unmetered
from reaktor.web.api import Input, Text, answers, client_address, operation

BY_MAIL = Unmetered("accounts.limits counts it by the e-mail address and by where it is asked")
UNGUESSABLE = Unmetered("its token has 256 random bits and is good once")


class EmailInput(Input):
    example: ClassVar = {"email": "ada@example.org", "password": "correct horse battery"}
    email = Text(max_length=MAX_ADDRESS_CHARS)
    password = Text(max_length=MAX_PASSWORD_CHARS)


class TokenInput(Input):
    example: ClassVar = {"token": "mWq0…"}
    token = Text(max_length=MAX_CHARS)


class AddressGiven(Input):
    example: ClassVar = {"email": "ada@example.org"}
    email = Text(max_length=MAX_ADDRESS_CHARS)


class NewPassword(Input):
    example: ClassVar = {"token": "mWq0…", "password": "staple in a stable"}
    token = Text(max_length=MAX_CHARS)
    password = Text(min_length=8, max_length=MAX_PASSWORD_CHARS, pattern=NOT_ONLY_DIGITS)


class MeEmailView(UserView):
    @operation(BY_MAIL, operation_id="me_email", body=EmailInput, responses=answers({204: None}, 403), tags=["me"])
    def post(self, request: Request) -> Response:
        """Another e-mail address, once it is confirmed. A mail with a link is sent there; the link is good for an hour.

        The answer is the same whether another account has the address or not. Until the new one is confirmed the
        account keeps the one that it has.
        """
        addresses.address_change(self.user(request), ip=client_address(request), **self.wanted)
        return Response(status=204)

    @operation(
        COUNTED_BY_LIMITS,
        operation_id="me_email_remove",
        body=PasswordGiven,
        responses=answers({204: None}, 403),
        tags=["me"],
    )
    def delete(self, request: Request) -> Response:
        """No e-mail address any more. Body: `{"password": "…"}` (OpenAPI 3.0 has no word for bodies of DELETE).

        Refused where the server asks for an address (EMAIL_REQUIRED).
        """
        addresses.address_remove(self.user(request), password=self.wanted["password"])
        return Response(status=204)


class EmailConfirmView(OpenView):
    @operation(
        UNGUESSABLE,
        operation_id="email_confirm",
        body=TokenInput,
        responses=answers({204: None}, 404, 409),
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """The e-mail address is yours: the token comes from the link in the mail, and is good once.

        409: another account has confirmed the address meanwhile.
        """
        addresses.address_confirm(self.wanted["token"])
        return Response(status=204)


class PasswordResetView(OpenView):
    @operation(
        BY_MAIL,
        operation_id="password_reset",
        body=AddressGiven,
        responses=answers({204: None}, 403),
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """A mail with a link to a new password, if an account has confirmed this address. The answer does not tell.

        403: this server sends no e-mail.
        """
        resets.reset_ask(email=self.wanted["email"], ip=client_address(request))
        return Response(status=204)


class PasswordResetConfirmView(OpenView):
    @operation(
        UNGUESSABLE,
        operation_id="password_reset_confirm",
        body=NewPassword,
        responses=answers({204: None}, 404, 409),
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """A new password, by the token from the link in the mail. Every token and live session of the account ends.

        The token is good once. A second factor stays as it is.
        """
        resets.reset_confirm(**self.wanted)
        return Response(status=204)
