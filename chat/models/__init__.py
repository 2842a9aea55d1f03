"""What is stored. `content`: channels, messages and what hangs on them; `moderation`: what keeps them habitable;
`hooks`: incoming webhooks; `moving`: how far an import has come; `deletion`: messages that are on their way out;
`cluster`: who works on this database, and who has which duty; `places`: where Socket.IO sessions are, for the time
after a restart; `notices`: who is to be told of what while they are not here; `server_invites`: who may register;
`server_page`: what the server says of itself; `search`: how far the index of messages is; `threads`: what hangs on one
message, and who follows it.
"""

from chat.models.cluster import ClusterHost, ClusterIdentity, ClusterLease, random_cluster_id
from chat.models.content import (
    Call,
    Channel,
    ChannelMembership,
    EarlierText,
    History,
    Mention,
    Message,
    Pin,
    Reaction,
    random_channel_key,
)
from chat.models.deletion import Deletion, Purge
from chat.models.files import File
from chat.models.hooks import Hook
from chat.models.moderation import (
    AuditAction,
    AuditEntry,
    Invite,
    Removal,
    Report,
    Sanction,
    UserBlock,
    WordRule,
)
from chat.models.moving import ImportMark
from chat.models.notices import Notice, NoticePreferences, OutboxEntry, PushSubscription
from chat.models.places import KeptPlace
from chat.models.search import SearchChange, SearchPlace
from chat.models.server_invites import ServerInvite
from chat.models.server_page import ServerPage
from chat.models.threads import PARTICIPANTS, Thread, ThreadFollow

__all__ = [
    "PARTICIPANTS",
    "AuditAction",
    "AuditEntry",
    "Call",
    "Channel",
    "ChannelMembership",
    "ClusterHost",
    "ClusterIdentity",
    "ClusterLease",
    "Deletion",
    "EarlierText",
    "File",
    "History",
    "Hook",
    "ImportMark",
    "Invite",
    "KeptPlace",
    "Mention",
    "Message",
    "Notice",
    "NoticePreferences",
    "OutboxEntry",
    "Pin",
    "Purge",
    "PushSubscription",
    "Reaction",
    "Removal",
    "Report",
    "Sanction",
    "SearchChange",
    "SearchPlace",
    "ServerInvite",
    "ServerPage",
    "Thread",
    "ThreadFollow",
    "UserBlock",
    "WordRule",
    "random_channel_key",
    "random_cluster_id",
]
