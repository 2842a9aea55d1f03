"""/api/v1: accounts, tokens, me. Thin: input checked here, everything else is accounts.services'."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypedDict, cast

from django.db import transaction
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import deletion, logging_in, names, registration, schema, services  # noqa: F401  schema registers itself
from accounts.limits import COUNTED_BY_LIMITS
from accounts.mail_models import MAX_ADDRESS_CHARS
from accounts.models import DirectFrom, User
from accounts.profile_rules import DISPLAY_NAME_CHARS, STATUS_CHARS
from accounts.profiles import profile_update
from accounts.second_factor import MAX_CODE_CHARS
from accounts.selectors import MeData, me_data
from accounts.services import TokensData
from reaktor.limits.rates import Limit, Rates, Unmetered
from reaktor.shapes import Keyword
from reaktor.web.api import READS, ApiView, Input, Text, answers, client_address, operation

ONCE = Unmetered("a refresh token is good for one request")
LAST = Unmetered("it ends the very token that asks for it")
MAX_INVITE_CHARS = 64
NOT_ONLY_DIGITS = r"^[^\x00]*[^\d\x00][^\x00]*\Z"


class NewName(Text):
    """A name that is chosen. What it is made of is checked by accounts.services: no pattern says it."""

    def __init__(self, **options: Any) -> None:
        help_text = "2 to 32 letters or digits of one script, and _ . - between them; case does not tell two apart."
        super().__init__(max_length=names.MAX_TYPED, help_text=help_text, **options)


class Registration(Input):
    example: ClassVar = {"username": "ada", "password": "correct horse battery"}
    username = NewName()
    password = Text(
        min_length=8,
        max_length=services.MAX_PASSWORD_CHARS,
        pattern=NOT_ONLY_DIGITS,
        help_text="Neither a common one nor like the name.",
    )


class NewAccount(Registration):
    email = Text(required=False, max_length=MAX_ADDRESS_CHARS, help_text="A mail with a link is sent there.")
    invite = Text(required=False, max_length=MAX_INVITE_CHARS, help_text="The code of a server invite.")


class WaitingData(TypedDict):
    """The account is made, and staff have to approve it before its owner can log in."""

    state: Annotated[str, Keyword("enum", ("waiting",))]


class Credentials(Input):
    example: ClassVar = {"username": "ada", "password": "correct horse battery"}
    username = Text(max_length=256)
    password = Text(max_length=services.MAX_PASSWORD_CHARS)
    code = Text(
        max_length=MAX_CODE_CHARS,
        required=False,
        may_be_blank=True,
        help_text="For an account with a second factor: of the app, or a recovery code.",
    )


class RefreshInput(Input):
    example: ClassVar = {"refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"}
    refresh = Text(max_length=4_096)


class ProfileInput(Input):
    example: ClassVar = {
        "username": "ada2",
        "display_name": "Ada Lovelace",
        "status_text": "Counting",
        "direct_from": "shared",
    }
    username = NewName(required=False)
    display_name = Text(
        required=False, may_be_blank=True, max_length=DISPLAY_NAME_CHARS, help_text="One line. Empty: none."
    )
    status_text = Text(required=False, may_be_blank=True, max_length=STATUS_CHARS, help_text="The same.")
    direct_from = serializers.ChoiceField(DirectFrom.values, required=False)


class PasswordInput(Input):
    example: ClassVar = {"old": "correct horse battery", "new": "staple in a stable"}
    old = Text(max_length=services.MAX_PASSWORD_CHARS)
    new = Text(min_length=8, max_length=services.MAX_PASSWORD_CHARS, pattern=NOT_ONLY_DIGITS)


class PasswordGiven(Input):
    example: ClassVar = {"password": "correct horse battery"}
    password = Text(max_length=services.MAX_PASSWORD_CHARS)


class OpenView(ApiView):
    """For who has no token yet: one that came along is not even looked at."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class UserView(ApiView):
    """For the user behind the token."""

    @staticmethod
    def rates() -> Rates:
        return services.app().rates

    @staticmethod
    def user(request: Request) -> User:
        return cast(User, request.user)


class AccountsView(OpenView):
    @operation(
        COUNTED_BY_LIMITS,
        operation_id="accounts_create",
        body=NewAccount,
        responses=answers({201: TokensData, 202: WaitingData}, 403, 409),
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """Register. The answer logs in, too, unless the account has to be approved first (202).

        403: nobody can register here, or only with an invite. An invite lets in without waiting.
        """
        user, is_waiting = registration.account_create(**self.wanted, ip=client_address(request))
        if is_waiting:
            return Response(WaitingData(state="waiting"), status=202)
        return Response(services.tokens_issue(user), status=201)


class TokensView(OpenView):
    @operation(
        COUNTED_BY_LIMITS,
        operation_id="tokens_create",
        body=Credentials,
        responses=answers({200: TokensData}, 403),
        tags=["tokens"],
    )
    def post(self, request: Request) -> Response:
        """Log in. `second_factor_required` (401): the password is right; ask again with a code beside it."""
        return Response(logging_in.tokens_log_in(**self.wanted, address=client_address(request)))


class TokensRefreshView(OpenView):
    @operation(
        ONCE,
        operation_id="tokens_refresh",
        body=RefreshInput,
        responses=answers({200: TokensData}, 403),
        tags=["tokens"],
    )
    def post(self, request: Request) -> Response:
        """A new pair for a refresh token, which dies: it works once."""
        return Response(services.tokens_refresh(self.wanted["refresh"]))


class TokensRevokeView(OpenView):
    @operation(ONCE, operation_id="tokens_revoke", body=RefreshInput, responses=answers({204: None}), tags=["tokens"])
    def post(self, request: Request) -> Response:
        """Log out here: the refresh token dies. One that is dead already is no error."""
        services.tokens_revoke(self.wanted["refresh"])
        return Response(status=204)


class TokensRevokeAllView(UserView):
    @operation(LAST, operation_id="tokens_revoke_all", responses=answers({204: None}, 403), tags=["tokens"])
    def post(self, request: Request) -> Response:
        """Log out everywhere: every token and every live session of the account ends, this one's too."""
        services.tokens_revoke_all(self.user(request))
        return Response(status=204)


class MeView(UserView):
    @operation(READS, operation_id="me_get", responses=answers({200: MeData}, 403), tags=["me"])
    def get(self, request: Request) -> Response:
        """Who the token speaks for."""
        return Response(me_data(self.user(request)))

    @operation(
        Limit.OPERATIONS,
        operation_id="me_update",
        body=ProfileInput,
        responses=answers({200: MeData}, 403, 409),
        tags=["me"],
    )
    def patch(self, request: Request) -> Response:
        """What is named changes. Another display name or status is told to who shares a channel. With another user
        name, live sessions are told to come back, and do so under it.
        """
        user = self.user(request)
        shown = {name: self.wanted[name] for name in ("display_name", "status_text") if name in self.wanted}
        if "username" in self.wanted:
            self.count(request, Limit.RENAME)
        if shown:
            self.count(request, Limit.PROFILE)
        with transaction.atomic():
            profile_update(user, **shown)
            if "direct_from" in self.wanted:
                services.direct_from_set(user, self.wanted["direct_from"])
            if "username" in self.wanted:
                user = services.user_rename(user, username=self.wanted["username"])
        return Response(me_data(user))

    @operation(
        COUNTED_BY_LIMITS,
        body=PasswordGiven,
        operation_id="me_delete",
        responses=answers({204: None}, 403),
        tags=["me"],
    )
    def delete(self, request: Request) -> Response:
        """Delete the account, for good. Body: `{"password": "…"}` (OpenAPI 3.0 has no word for bodies of DELETE).

        Every token and live session ends. Nobody can take the name for 30 days. Messages stay, under a name that says
        nothing, or are deleted one after another, as the server is configured.
        """
        deletion.user_delete(self.user(request), password=self.wanted["password"])
        return Response(status=204)


class MePasswordView(UserView):
    @operation(
        COUNTED_BY_LIMITS,
        operation_id="me_password",
        body=PasswordInput,
        responses=answers({204: None}, 403, 409),
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """Another password. Every token and live session of the account ends, this one's too: log in again."""
        services.password_change(self.user(request), self.wanted["old"], self.wanted["new"])
        return Response(status=204)
