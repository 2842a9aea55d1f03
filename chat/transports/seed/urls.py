"""The paths of the replaced server; a trailing slash is accepted, and upper case is lower case.

Keys match anything, so that an impossible one is told that it is none (400) rather than that there is nothing (404).
"""

from __future__ import annotations

from django.urls import re_path

from chat.transports.seed import accounts, channels

urlpatterns = [
    re_path(r"(?i)^auth/register/?\Z", accounts.RegisterView.as_view()),
    re_path(r"(?i)^auth/login/?\Z", accounts.LoginView.as_view()),
    re_path(r"(?i)^channels/?\Z", channels.ChannelsView.as_view()),
    re_path(r"(?is)^channels/(?P<key>.+)/join/?\Z", channels.JoinView.as_view()),
    re_path(r"(?is)^channels/(?P<key>.+)/messages/?\Z", channels.MessagesView.as_view()),
]
