"""Reads of incoming webhooks, as plain values; never of their tokens, which are not stored."""

from __future__ import annotations

from accounts.standing import why_off
from chat.domain.moderation import HookData
from chat.models import Hook
from reaktor.times import timestamp


def hooks_list(channel_id: int) -> list[HookData]:
    """The channel's webhooks, oldest first. One query."""
    found = Hook.objects.filter(channel_id=channel_id).order_by("id")
    return [hook_data(hook) for hook in found.select_related("channel", "created_by", "user__bot__owner")]


def hook_data(hook: Hook) -> HookData:
    return {
        "id": hook.pk,
        "channel": hook.channel.key,
        "name": hook.name,
        "username": hook.user.username,
        "created_by": hook.created_by.username if hook.created_by else None,
        "created_at": timestamp(hook.created_at),
        "is_on": why_off(hook.user) is None,
    }
