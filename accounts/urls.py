"""Paths under /api/v1 that are about who you are."""

from __future__ import annotations

from django.urls import path

from accounts import api, avatars, bots_api, mail_api, second_factor_api

urlpatterns = [
    path("accounts", api.AccountsView.as_view()),
    path("tokens", api.TokensView.as_view()),
    path("tokens/refresh", api.TokensRefreshView.as_view()),
    path("tokens/revoke", api.TokensRevokeView.as_view()),
    path("tokens/revoke-all", api.TokensRevokeAllView.as_view()),
    path("me", api.MeView.as_view()),
    path("me/avatar", avatars.AvatarView.as_view()),
    path("me/email", mail_api.MeEmailView.as_view()),
    path("email/confirm", mail_api.EmailConfirmView.as_view()),
    path("password/reset", mail_api.PasswordResetView.as_view()),
    path("password/reset/confirm", mail_api.PasswordResetConfirmView.as_view()),
    path("me/password", api.MePasswordView.as_view()),
    path("me/second-factor", second_factor_api.SecondFactorView.as_view()),
    path("me/second-factor/confirm", second_factor_api.SecondFactorConfirmView.as_view()),
    path("me/second-factor/recovery-codes", second_factor_api.RecoveryCodesView.as_view()),
    path("me/app-passwords", second_factor_api.AppPasswordsView.as_view()),
    path("me/app-passwords/<str:app_password_id>", second_factor_api.AppPasswordView.as_view()),
    path("me/bots", bots_api.BotsView.as_view()),
    path("me/bots/<str:bot_id>", bots_api.BotView.as_view()),
    path("me/bots/<str:bot_id>/token", bots_api.BotTokenView.as_view()),
]
