"""The peer most people would write: a consumer per socket in a layer group, as the Channels tutorial shows it."""

import json
import os

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

if not settings.configured:
    settings.configure(
        CHANNEL_LAYERS={
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": {"hosts": [{"address": os.environ["REDIS_URL"], "socket_timeout": None}]},
            }
        },
        DATABASES={},
    )
    import django

    django.setup()


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("general", self.channel_name)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("general", {"type": "chat.message", "data": json.loads(text_data)})

    async def chat_message(self, event):
        await self.send(text_data=json.dumps(event["data"]))


application = ChatConsumer.as_asgi()
