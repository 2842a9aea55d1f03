"""Writes: one atomic each, events through chat.publish after the commit. New messages are handed to the writer.

Called in database threads by REST views, by admin, by commands, and by actions through reaktor.db.database. Rows are
locked in this order: report, channel, invite, account, message.
"""

from chat.services.approvals import account_approve, account_refuse
from chat.services.audit import audit_add
from chat.services.channels import channel_archive, channel_create, channel_ensure, channel_update
from chat.services.cluster import cluster_rename
from chat.services.direct import direct_open, group_find, group_open, user_block, user_unblock
from chat.services.history import history_begin, history_settle
from chat.services.hooks import hook_create, hook_delete, hook_post
from chat.services.invites import invite_accept, invite_create, invite_revoke
from chat.services.logouts import log_out_everywhere
from chat.services.memberships import (
    channel_hide,
    channel_show,
    level_set,
    membership_join,
    membership_leave,
    memberships_ensure,
    read_mark,
)
from chat.services.messages import message_delete, message_edit, message_post, reaction_add, reaction_remove
from chat.services.pins import pin_add, pin_remove
from chat.services.places import places_clear, places_forget, places_store
from chat.services.profiles import profile_clear
from chat.services.purge import FIRST_BATCHES, messages_purge, purge_batch, purge_begin
from chat.services.reports import report_create, report_resolve
from chat.services.roles import role_remove, role_set
from chat.services.sanctions import sanction_issue, sanction_lift, sanction_lift_all
from chat.services.server_invites import (
    server_invite_create,
    server_invite_revoke,
    server_invite_use,
    server_invites_end,
)
from chat.services.server_page import server_page_set
from chat.services.threads import thread_follow, thread_read, thread_unfollow
from chat.services.words import word_remove, word_set

__all__ = [
    "FIRST_BATCHES",
    "account_approve",
    "account_refuse",
    "audit_add",
    "channel_archive",
    "channel_create",
    "channel_ensure",
    "channel_hide",
    "channel_show",
    "channel_update",
    "cluster_rename",
    "direct_open",
    "group_find",
    "group_open",
    "history_begin",
    "history_settle",
    "hook_create",
    "hook_delete",
    "hook_post",
    "invite_accept",
    "invite_create",
    "invite_revoke",
    "level_set",
    "log_out_everywhere",
    "membership_join",
    "membership_leave",
    "memberships_ensure",
    "message_delete",
    "message_edit",
    "message_post",
    "messages_purge",
    "pin_add",
    "pin_remove",
    "places_clear",
    "places_forget",
    "places_store",
    "profile_clear",
    "purge_batch",
    "purge_begin",
    "reaction_add",
    "reaction_remove",
    "read_mark",
    "report_create",
    "report_resolve",
    "role_remove",
    "role_set",
    "sanction_issue",
    "sanction_lift",
    "sanction_lift_all",
    "server_invite_create",
    "server_invite_revoke",
    "server_invite_use",
    "server_invites_end",
    "server_page_set",
    "thread_follow",
    "thread_read",
    "thread_unfollow",
    "user_block",
    "user_unblock",
    "word_remove",
    "word_set",
]
