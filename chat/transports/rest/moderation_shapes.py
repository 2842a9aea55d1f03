"""The shapes of input to moderation, as DRF serializers: sanctions, reports, invites, roles, the audit log.

The shapes of answers are chat.domain.moderation's.
"""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from accounts import names
from chat.domain.policies import MAX_PURGE_HOURS, Resolution, Role, SanctionKind
from chat.domain.rules import REASON_CHARS
from chat.services.invites import MAX_USES
from reaktor.web.api import NOT_BLANK, Flag, Input, Text, WholeInBody

KINDS = [kind.value for kind in SanctionKind]
CURSOR = r"^[0-9]{1,18}\Z"
USERNAME = rf"^[^\x00]{{1,{names.MAX_TYPED}}}\Z"
KEY = r"^[A-Za-z0-9_-]{1,64}\Z"


class SanctionQuery(serializers.Serializer[Any]):
    username = Text(required=False, pattern=USERNAME)
    channel = Text(required=False, pattern=KEY)
    in_force = serializers.ChoiceField(["1"], required=False, help_text="Only those that hold now.")
    cursor = Text(required=False, pattern=CURSOR)


class ReportQuery(serializers.Serializer[Any]):
    channel = Text(required=False, pattern=KEY)
    all = serializers.ChoiceField(["1"], required=False, help_text="The decided ones, too.")
    cursor = Text(required=False, pattern=CURSOR)


class AuditQuery(serializers.Serializer[Any]):
    username = Text(required=False, pattern=USERNAME)
    channel = Text(required=False, pattern=KEY)
    cursor = Text(required=False, pattern=CURSOR)


class SanctionInput(Input):
    example: ClassVar = {
        "kind": "mute",
        "username": "bob",
        "channel": "tea",
        "until": "2100-01-31T12:00:00Z",
        "reason": "too loud",
    }
    kind = serializers.ChoiceField(KINDS)
    username = Text(pattern=USERNAME)
    channel = Text(required=False, allow_null=True, pattern=KEY, help_text="None: everywhere, by staff.")
    until = serializers.DateTimeField(required=False, allow_null=True, help_text="None: for good.")
    reason = Text(required=False, may_be_blank=True, max_length=REASON_CHARS)


class ReportInput(Input):
    example: ClassVar = {"reason": "insulting"}
    reason = Text(max_length=REASON_CHARS, pattern=NOT_BLANK)


class ResolveInput(Input):
    example: ClassVar = {"resolution": "deleted", "reason": "against the rules"}
    resolution = serializers.ChoiceField(list(Resolution))
    kind = serializers.ChoiceField(KINDS, required=False, help_text="With sanctioned: which one (a ban).")
    until = serializers.DateTimeField(required=False, allow_null=True)
    is_everywhere = Flag(required=False)
    reason = Text(required=False, may_be_blank=True, max_length=REASON_CHARS)


class InviteInput(Input):
    example: ClassVar = {"uses": 5, "expires_at": "2100-01-31T12:00:00Z"}
    uses = WholeInBody(required=False, allow_null=True, min_value=1, max_value=MAX_USES, help_text="None: any number.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="None: never.")


class RoleInput(Input):
    example: ClassVar = {"role": "moderator"}
    role = serializers.ChoiceField([role.value for role in Role])


class PurgeInput(Input):
    example: ClassVar = {"username": "bob", "hours": 24, "channel": "tea", "reason": "spam"}
    username = Text(pattern=USERNAME)
    hours = WholeInBody(min_value=1, max_value=MAX_PURGE_HOURS)
    channel = Text(required=False, allow_null=True, pattern=KEY, help_text="None: everywhere, by staff.")
    reason = Text(required=False, may_be_blank=True, max_length=REASON_CHARS)


class DirectInput(Input):
    example: ClassVar = {"username": "bob"}
    username = Text(required=False, pattern=USERNAME, help_text="For a direct channel.")
    usernames = serializers.ListField(
        child=Text(pattern=USERNAME), required=False, min_length=1, max_length=7, help_text="For a group: 2 to 7."
    )
