"""The paths of the replaced server; a trailing slash is accepted.

Keys match anything, so that an impossible one is told that it is none (400) rather than that there is nothing (404).
"""

from __future__ import annotations

from django.urls import re_path

from chat.transports.seed import accounts, channels

urlpatterns = [
    re_path(r"^auth/register/?\Z", accounts.RegisterView.as_view()),
    re_path(r"^auth/login/?\Z", accounts.LoginView.as_view()),
    re_path(r"^channels/?\Z", channels.ChannelsView.as_view()),
    re_path(r"^channels/(?P<key>[\s\S]+)/join/?\Z", channels.JoinView.as_view()),
    re_path(r"^channels/(?P<key>[\s\S]+)/messages/?\Z", channels.MessagesView.as_view()),
]
