"""/api/v1/me/push and me/notifications: which of one's browsers are told, and how one wants to be told."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, ClassVar, TypedDict, cast

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import Claims
from accounts.models import User
from chat.domain.notices import DAYS
from chat.models.notices import ENDPOINT_CHARS
from chat.notices import preferences, subscriptions
from chat.notices.preferences import PreferencesData
from chat.notices.subscriptions import SubscriptionData
from chat.transports.rest.views import ChatView
from reaktor.limits.rates import Limit
from reaktor.web.api import READS, Flag, Input, Text, answers, operation

ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABn"
KEYS = {
    "p256dh": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
CLOCK = r"^[0-9]{2}:[0-9]{2}\Z"


class PushData(TypedDict):
    """Web push, as this log-in may use it."""

    key: Annotated[str | None, "The server's public key, for `applicationServerKey`. null: nothing is pushed here."]
    subscriptions: Annotated[list[SubscriptionData], "One's browsers that are told, oldest first."]


class KeysInput(serializers.Serializer[Any]):
    p256dh = Text(max_length=100)
    auth = Text(max_length=32)


class PushInput(Input):
    """A browser's PushSubscription, as its toJSON() gives it."""

    example: ClassVar = {"endpoint": ENDPOINT, "keys": KEYS}
    endpoint = Text(max_length=ENDPOINT_CHARS, help_text="Of a push service that the server knows (PUSH_HOSTS).")
    keys = KeysInput()


class EndpointInput(Input):
    example: ClassVar = {"endpoint": ENDPOINT}
    endpoint = Text(max_length=ENDPOINT_CHARS)


QuietInput: type[serializers.Serializer[Any]] = type(
    "QuietInput",
    (serializers.Serializer,),
    {
        "__doc__": "Hours in which nothing is sent.",
        "from": Text(pattern=CLOCK),
        "to": Text(pattern=CLOCK, help_text="An earlier time than `from` is one of the next day."),
        "days": serializers.ListField(
            child=serializers.ChoiceField(DAYS), required=False, min_length=1, max_length=len(DAYS)
        ),
        "time_zone": Text(max_length=64, help_text="A name such as Europe/Berlin."),
    },
)
"""`from` is a word of Python, so it can't be written as a class."""


class PreferencesInput(Input):
    example: ClassVar = {"quiet": {"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"}}
    push = Flag(required=False)
    email = Flag(required=False)
    preview = Flag(required=False)
    quiet = QuietInput(required=False, allow_null=True)


def _login(request: Request) -> uuid.UUID:
    return cast(Claims, request.auth).login


class PushView(ChatView):
    @operation(READS, operation_id="me_push", responses=answers({200: PushData}, 403), tags=["me"])
    def get(self, request: Request) -> Response:
        """What a browser needs to subscribe, and which of one's browsers are told."""
        vapid, user = self.app().vapid, cast(User, request.user)
        found = subscriptions.subscriptions_list(user.pk, _login(request))
        return Response({"key": None if vapid is None else vapid.public_key, "subscriptions": found})

    @operation(
        Limit.CHANGES,
        operation_id="me_push_put",
        body=PushInput,
        responses=answers({200: SubscriptionData}, 403),
        tags=["me"],
    )
    def put(self, request: Request) -> Response:
        """Tell this browser from now on, as long as the log-in lives that asks. Repeating it renews it."""
        keys = self.wanted["keys"]
        found = subscriptions.subscription_put(
            cast(User, request.user),
            _login(request),
            endpoint=self.wanted["endpoint"],
            p256dh=keys["p256dh"],
            auth=keys["auth"],
            targets=self.app().push_targets,
        )
        return Response(found)

    @operation(
        Limit.CHANGES,
        operation_id="me_push_delete",
        body=EndpointInput,
        responses=answers({204: None}, 403),
        tags=["me"],
    )
    def delete(self, request: Request) -> Response:
        """Tell this browser no more. The body is `{"endpoint": …}`; one that is not told is as good."""
        subscriptions.subscription_end(cast(User, request.user).pk, endpoint=self.wanted["endpoint"])
        return Response(status=204)


class PreferencesView(ChatView):
    @operation(READS, operation_id="me_notifications", responses=answers({200: PreferencesData}, 403), tags=["me"])
    def get(self, request: Request) -> Response:
        """How one is told of what happens while one is not here."""
        return Response(preferences.preferences_of(cast(User, request.user).pk))

    @operation(
        Limit.CHANGES,
        operation_id="me_notifications_update",
        body=PreferencesInput,
        responses=answers({200: PreferencesData}, 403),
        tags=["me"],
    )
    def patch(self, request: Request) -> Response:
        """Change what is named. `quiet: null`: no quiet hours; `days` of them are those on which they begin."""
        return Response(preferences.preferences_change(cast(User, request.user).pk, self.wanted))
