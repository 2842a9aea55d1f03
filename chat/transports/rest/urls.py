"""Paths under /api/v1 that are about what is said."""

from __future__ import annotations

from django.urls import path

from chat.transports.rest import (
    account,
    belonging,
    channels,
    docs,
    hooks,
    messages,
    moderation,
    notices,
    server_invites,
)

urlpatterns = [
    path("me/sessions", account.SessionsView.as_view()),
    path("me/sessions/<str:session_id>", account.SessionView.as_view()),
    path("me/export", account.ExportView.as_view()),
    path("me/push", notices.PushView.as_view()),
    path("me/notifications", notices.PreferencesView.as_view()),
    path("me/channels", channels.OwnChannelsView.as_view()),
    path("channels", channels.ChannelsView.as_view()),
    path("channels/<str:key>", channels.ChannelView.as_view()),
    path("channels/<str:key>/archive", channels.ChannelArchiveView.as_view()),
    path("channels/<str:key>/members", channels.MembersView.as_view()),
    path("channels/<str:key>/read", channels.ReadView.as_view()),
    path("channels/<str:key>/changes", messages.ChangesView.as_view()),
    path("channels/<str:key>/messages", messages.MessagesView.as_view()),
    path("channels/<str:key>/messages/<str:message_id>", messages.MessageView.as_view()),
    path("channels/<str:key>/messages/<str:message_id>/reactions/<str:emoji>", messages.ReactionView.as_view()),
    path(
        "channels/<str:key>/messages/<str:message_id>/reports",
        moderation.MessageReportsView.as_view(),
    ),
    path("channels/<str:key>/membership", belonging.MembershipView.as_view()),
    path("channels/<str:key>/hidden", belonging.HiddenView.as_view()),
    path("channels/<str:key>/roles/<str:username>", belonging.RoleView.as_view()),
    path("channels/<str:key>/invites", belonging.InvitesView.as_view()),
    path("channels/<str:key>/hooks", hooks.HooksView.as_view()),
    path("channels/<str:key>/hooks/<str:hook_id>", hooks.HookView.as_view()),
    path("hooks/<str:token>", hooks.HookPostView.as_view()),
    path("invites/<str:code>", belonging.InviteView.as_view()),
    path("invites/<str:code>/accept", belonging.InviteAcceptView.as_view()),
    path("server-invites", server_invites.ServerInvitesView.as_view()),
    path("server-invites/<str:code>", server_invites.ServerInviteView.as_view()),
    path("direct", belonging.DirectView.as_view()),
    path("me/blocks", belonging.BlocksView.as_view()),
    path("me/blocks/<str:username>", belonging.BlockView.as_view()),
    path("sanctions", moderation.SanctionsView.as_view()),
    path("sanctions/<str:sanction_id>", moderation.SanctionView.as_view()),
    path("reports", moderation.ReportsView.as_view()),
    path("reports/<str:report_id>/resolve", moderation.ReportResolveView.as_view()),
    path("purge", moderation.PurgeView.as_view()),
    path("audit", moderation.AuditView.as_view()),
    path("schema", docs.schema),
    path("docs", docs.page),
]
