"""Paths under /api/v1 that are about what is said."""

from __future__ import annotations

from django.urls import path

from chat.transports.rest import account, channels, docs, messages

urlpatterns = [
    path("me/sessions", account.SessionsView.as_view()),
    path("me/sessions/<str:session_id>", account.SessionView.as_view()),
    path("me/export", account.ExportView.as_view()),
    path("channels", channels.ChannelsView.as_view()),
    path("channels/<str:key>", channels.ChannelView.as_view()),
    path("channels/<str:key>/archive", channels.ChannelArchiveView.as_view()),
    path("channels/<str:key>/members", channels.MembersView.as_view()),
    path("channels/<str:key>/read", channels.ReadView.as_view()),
    path("channels/<str:key>/changes", messages.ChangesView.as_view()),
    path("channels/<str:key>/messages", messages.MessagesView.as_view()),
    path("channels/<str:key>/messages/<str:message_id>", messages.MessageView.as_view()),
    path("channels/<str:key>/messages/<str:message_id>/reactions/<str:emoji>", messages.ReactionView.as_view()),
    path("schema", docs.schema),
    path("docs", docs.page),
]
