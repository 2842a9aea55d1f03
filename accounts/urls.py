"""Paths under /api/v1 that are about who you are."""

from __future__ import annotations

from django.urls import path

from accounts import api, avatars

urlpatterns = [
    path("accounts", api.AccountsView.as_view()),
    path("tokens", api.TokensView.as_view()),
    path("tokens/refresh", api.TokensRefreshView.as_view()),
    path("tokens/revoke", api.TokensRevokeView.as_view()),
    path("tokens/revoke-all", api.TokensRevokeAllView.as_view()),
    path("me", api.MeView.as_view()),
    path("me/avatar", avatars.AvatarView.as_view()),
    path("me/password", api.MePasswordView.as_view()),
]
