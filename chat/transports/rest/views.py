"""What the views of chat share: who asks, the runtime's live figures, and how a channel is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.apps import apps
from rest_framework.request import Request

from accounts.models import User
from chat.apps import ChatConfig
from chat.domain.events import ChannelData
from chat.domain.ids import UserRef
from chat.selectors import ChannelAccess, channel_data, user_ref
from reaktor import node
from reaktor.api import ApiView

if TYPE_CHECKING:
    from chat.runtime import Runtime


class ChatView(ApiView):
    """For the user behind the token."""

    @staticmethod
    def me(request: Request) -> UserRef:
        return user_ref(cast(User, request.user))

    @staticmethod
    def app() -> ChatConfig:
        """What this process owns: limits and configuration."""
        return cast(ChatConfig, apps.get_app_config("chat"))

    @staticmethod
    def live() -> Runtime | None:
        """The live side of this process; None while there is none."""
        running = node.current()
        return running.runtime if running is not None else None

    def shown(self, found: ChannelAccess) -> ChannelData:
        """The `channel` shape, with how many are in it now."""
        live = self.live()
        return channel_data(found, online=live.online_count(found.channel.key) if live else 0)
