"""What the HTTP views of both contracts share: who asks, what this process owns, and its live side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from django.apps import apps
from rest_framework.request import Request

from accounts.models import User
from chat.apps import ChatConfig
from chat.domain.ids import UserRef
from chat.selectors import user_ref
from reaktor.limits.rates import Rates
from reaktor.process import node

if TYPE_CHECKING:
    from chat.live.runtime import Runtime


class ChatSide:
    """For views of any contract: the user behind the token as chat knows them, and what this process has."""

    @staticmethod
    def me(request: Request) -> UserRef:
        return user_ref(cast(User, request.user))

    @staticmethod
    def app() -> ChatConfig:
        """What this process owns: configuration, rates, text rules, the list of channels while it is made."""
        return cast(ChatConfig, apps.get_app_config("chat"))

    @staticmethod
    def rates() -> Rates:
        return ChatSide.app().rates

    @staticmethod
    def live() -> Runtime | None:
        """The live side of this process; None while there is none."""
        running = node.current()
        return running.runtime if running is not None else None

    @staticmethod
    def online() -> Callable[[str], int]:
        """What tells how many are in a channel now."""
        live = ChatSide.live()
        return live.online_count if live is not None else lambda key: 0
