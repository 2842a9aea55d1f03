"""Reads: what is stored, as plain values in the shapes of chat.domain.events. Nothing here writes or publishes.

Called in database threads: by actions through reaktor.db.database, by REST views in their own.
"""

from accounts.selectors import user_data
from chat.selectors.channels import (
    ChannelAccess,
    ChannelRow,
    channel_access,
    channel_data,
    channel_heads,
    channel_list,
    channel_row,
    channels_access,
    public_channels,
)
from chat.selectors.messages import (
    MessagePage,
    NewestMessages,
    bounded_changes,
    changes_between,
    channel_changes,
    message_by_id,
    message_data,
    messages_between,
    messages_by_ids,
    messages_changed,
    messages_kept,
    messages_page,
    newest_messages,
    parse_message_id,
)
from chat.selectors.moderation import (
    BlockReader,
    audit_list,
    blocked_users,
    invite_data,
    invites_list,
    report_data,
    reports_list,
    sanction_data,
    sanctions_list,
)
from chat.selectors.places import places_page, worker_places
from chat.selectors.users import (
    cluster_id,
    history_epoch,
    user_ref,
    users_named,
)

__all__ = [
    "BlockReader",
    "ChannelAccess",
    "ChannelRow",
    "MessagePage",
    "NewestMessages",
    "audit_list",
    "blocked_users",
    "bounded_changes",
    "changes_between",
    "channel_access",
    "channel_changes",
    "channel_data",
    "channel_heads",
    "channel_list",
    "channel_row",
    "channels_access",
    "cluster_id",
    "history_epoch",
    "invite_data",
    "invites_list",
    "message_by_id",
    "message_data",
    "messages_between",
    "messages_by_ids",
    "messages_changed",
    "messages_kept",
    "messages_page",
    "newest_messages",
    "parse_message_id",
    "places_page",
    "public_channels",
    "report_data",
    "reports_list",
    "sanction_data",
    "sanctions_list",
    "user_data",
    "user_ref",
    "users_named",
    "worker_places",
]
