"""What the views of /api/v1 share: how a channel is shown."""

from __future__ import annotations

from chat.domain.events import ChannelData
from chat.selectors import ChannelAccess, channel_data
from chat.transports.views import ChatSide
from reaktor.web.api import ApiView


class ChatView(ChatSide, ApiView):
    """For the user behind the token."""

    def shown(self, found: ChannelAccess) -> ChannelData:
        """The `channel` shape, with how many are in it now."""
        return channel_data(found, online=self.online()(found.channel.key))
