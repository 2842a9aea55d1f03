"""The admin as a workplace: people, bots, channels, messages, reports, sanctions, words, the audit log, the cluster.

Pages read through chat.selectors and from the live replica; every button calls a service. Importing it registers all
of it with Django's admin.
"""

from chat.admin import audit, bots, channels, messages, people, reports, sanctions, server_page

__all__ = ["audit", "bots", "channels", "messages", "people", "reports", "sanctions", "server_page"]
