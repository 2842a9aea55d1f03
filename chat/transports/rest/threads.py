"""/api/v1 threads: which one follows, and how far one has read them. What is said in them is in messages.py."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.events import ThreadData, ThreadReadData
from chat.transports.rest import shapes
from chat.transports.rest.views import ChatView
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import READS, answers, operation


class OwnThreadsView(ChatView):
    @operation(
        Limit.LISTS,
        operation_id="threads_list",
        query=shapes.ThreadsQuery,
        responses=answers({200: ListData[ThreadData]}, 403),
        tags=["threads"],
    )
    def get(self, request: Request) -> Response:
        """The threads that you follow, those first in which something was said last."""
        return Response(selectors.my_threads(user=self.me(request), **self.wanted))


class ThreadView(ChatView):
    @operation(READS, operation_id="threads_get", responses=answers({200: ThreadData}, 403, 404), tags=["threads"])
    def get(self, request: Request, key: str, message_id: str) -> Response:
        """A thread's root, and what you are to the thread. What is said in it: the messages with `thread`."""
        channel = rules.parse_channel_key(key)
        return Response(selectors.thread_get(user=self.me(request), key=channel, thread=message_id))


class ThreadFollowView(ChatView):
    @operation(
        Limit.MEMBERSHIPS,
        operation_id="threads_follow",
        responses=answers({200: ThreadData}, 403, 404),
        tags=["threads"],
    )
    def put(self, request: Request, key: str, message_id: str) -> Response:
        """Be told of what is said in the thread of a message. Who posts there, is mentioned there, or wrote that
        message is told without it.
        """
        channel = rules.parse_channel_key(key)
        return Response(services.thread_follow(user=self.me(request), key=channel, thread=message_id))

    @operation(
        Limit.MEMBERSHIPS,
        operation_id="threads_unfollow",
        responses=answers({200: ThreadData}, 403, 404),
        tags=["threads"],
    )
    def delete(self, request: Request, key: str, message_id: str) -> Response:
        """Be told of it no longer, until you post there again."""
        channel = rules.parse_channel_key(key)
        return Response(services.thread_unfollow(user=self.me(request), key=channel, thread=message_id))


class ThreadReadView(ChatView):
    @operation(
        Limit.OPERATIONS,
        operation_id="threads_read",
        body=shapes.ThreadReadInput,
        responses=answers({200: ThreadReadData}, 403, 404),
        tags=["threads"],
    )
    def put(self, request: Request, key: str, message_id: str) -> Response:
        """The thread's replies up to a message are read."""
        channel = rules.parse_channel_key(key)
        number = self.wanted["number"]
        return Response(services.thread_read(user=self.me(request), key=channel, thread=message_id, number=number))
