"""The admin as a workplace: people, accounts that wait, bots, channels, messages, reports, sanctions, words, the audit
log, mails that wait, the live cluster.

Pages read through chat.selectors and from the live replica; every button calls a service. Importing it registers all
of it with Django's admin.
"""

from chat.admin import (
    approvals,
    audit,
    bots,
    channels,
    mails,
    messages,
    notices,
    people,
    reports,
    sanctions,
    server_page,
)

__all__ = [
    "approvals",
    "audit",
    "bots",
    "channels",
    "mails",
    "messages",
    "notices",
    "people",
    "reports",
    "sanctions",
    "server_page",
]
