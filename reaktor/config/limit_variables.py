"""The variables of what one client may do: sizes, counts and rates. Pure."""

from __future__ import annotations

from reaktor.config.model import Limits
from reaktor.config.variables import Reader

COUNTS = {"MAX_SESSIONS_PER_USER": "sessions_per_user", "LIMIT_CONNECTIONS": "connections_per_address"}
"""Limits that are neither a rate nor a size, and the fields that they are read into."""


def read_limits(reader: Reader) -> Limits:
    reader.section = "Limits"
    default = Limits()
    return Limits(
        enabled=reader.switch(
            "LIMITS",
            True,
            "`off` lifts the rates and counts, for benchmarks. The sizes stay, and so do MAX_SESSIONS_PER_USER and "
            "LIMIT_CONNECTIONS where they are given.",
        ),
        given=frozenset(field for name, field in COUNTS.items() if reader.is_given(name)),
        frame_bytes=reader.number(
            "LIMIT_FRAME_BYTES", default.frame_bytes, "The largest frame of the native protocol.", unit="bytes"
        ),
        body_bytes=reader.number(
            "LIMIT_BODY_BYTES", default.body_bytes, "The largest body of a request.", unit="bytes"
        ),
        text_chars=reader.number("LIMIT_TEXT_CHARS", default.text_chars, "The longest message.", unit="characters"),
        unsent_bytes=reader.number(
            "LIMIT_UNSENT_BYTES",
            default.unsent_bytes,
            "A native session whose client leaves more than this unread is closed.",
            unit="bytes",
        ),
        sessions_per_user=reader.number(
            "MAX_SESSIONS_PER_USER",
            default.sessions_per_user,
            "How many live sessions one user may have.",
            unit="sessions",
        ),
        channels_per_session=reader.number(
            "LIMIT_CHANNELS_PER_SESSION",
            default.channels_per_session,
            "How many channels one session may be in.",
            unit="channels",
        ),
        seed_channels=reader.number(
            "SEED_CHANNELS",
            default.seed_channels,
            "How many of the newest public channels the seed contract's list shows, beside General, Programming "
            "and Random. It has no pages.",
            unit="channels",
            maximum=10_000,
        ),
        connections_per_address=reader.number(
            "LIMIT_CONNECTIONS",
            default.connections_per_address,
            "How many connections one address may hold, to all workers together. An IPv6 /64 counts as one address.",
            unit="connections",
        ),
        frames=reader.rate(
            "LIMIT_FRAMES",
            default.frames,
            "How many frames one WebSocket may send, empty ones and pings among them: so many at once, and as many "
            "again evenly over the time. What is more is read later.",
        ),
        incoming_bytes=reader.rate(
            "LIMIT_INCOMING_BYTES",
            default.incoming_bytes,
            "How many bytes one WebSocket may send, in the same way.",
        ),
        refusals=reader.rate(
            "LIMIT_REFUSALS",
            default.refusals,
            "How often one user may be refused by one worker. Whoever goes on loses the live session, and gets a "
            "new one when the time is over.",
        ),
        requests_per_address=reader.rate(
            "LIMIT_REQUESTS_PER_ADDRESS",
            default.requests_per_address,
            "How many requests one address may make of one worker, for REST, pages and files together, and for new "
            "sessions: so many at once, and as many again evenly over the time. An IPv6 /64 counts as one address.",
        ),
        requests_per_user=reader.rate(
            "LIMIT_REQUESTS_PER_USER",
            default.requests_per_user,
            "How many REST requests one user may make of one worker, in the same way.",
        ),
        send=reader.rate("LIMIT_SEND", default.send, "How many messages one user may send."),
        operations=reader.rate(
            "LIMIT_OPERATIONS",
            default.operations,
            "How many operations one live session may ask for; over REST, how many exports, read markers and "
            "deletions one user.",
        ),
        lists=reader.rate(
            "LIMIT_LISTS",
            default.lists,
            "How many pages of the list of channels, searches among them, one user may ask one worker for. The "
            "seed contract's list counts for five.",
        ),
        join=reader.rate("LIMIT_JOIN", default.join, "How many channels one user may enter, or look at anew."),
        create_channel=reader.rate(
            "LIMIT_CREATE_CHANNEL", default.create_channel, "How many channels one user may create."
        ),
        changes=reader.rate(
            "LIMIT_CHANGES",
            default.changes,
            "How many edits, reactions, reports and changes of channels one user may make, and how many "
            "sessions they may end.",
        ),
        memberships=reader.rate(
            "LIMIT_MEMBERSHIPS",
            default.memberships,
            "How many memberships, invites, direct channels and personal blocks one user may change.",
        ),
        moderation=reader.rate(
            "LIMIT_MODERATION",
            default.moderation,
            "How many sanctions, roles and decisions on reports one user may make.",
        ),
        bulk_delete=reader.rate(
            "LIMIT_BULK_DELETE", default.bulk_delete, "How often one user may delete many messages at once."
        ),
        rename=reader.rate(
            "LIMIT_RENAME",
            default.rename,
            "How often one user may take a new name, or name a new bot or webhook. Each new name of their own ends all "
            "of their sessions, which come back.",
        ),
        profile=reader.rate(
            "LIMIT_PROFILE", default.profile, "How often one user may change their display name or status."
        ),
        pictures=reader.rate("LIMIT_PICTURES", default.pictures, "How many pictures one user may send."),
        files=reader.rate("LIMIT_FILES", default.files, "How many files one user may send."),
        file_reads=reader.rate(
            "LIMIT_FILE_READS",
            default.file_reads,
            "How many files and thumbnails one user may read from one worker.",
        ),
        directory=reader.rate("LIMIT_DIRECTORY", default.directory, "How often one user may search the directory."),
        search=reader.rate("LIMIT_SEARCH", default.search, "How many pages of messages one user may search for."),
        hooks=reader.rate("LIMIT_HOOKS", default.hooks, "How many messages one webhook may post."),
        login=reader.rate("LIMIT_LOGIN", default.login, "How many log-ins with one name are tried from one address."),
        register=reader.rate("LIMIT_REGISTER", default.register, "How many accounts are made from one address."),
        mail_to_address=reader.rate(
            "LIMIT_MAIL_TO_ADDRESS",
            default.mail_to_address,
            "How many mails about accounts one e-mail address is sent: confirmations and new passwords.",
        ),
        mail_from_ip=reader.rate(
            "LIMIT_MAIL_FROM_IP", default.mail_from_ip, "How many such mails are asked for from one address."
        ),
        server_invites=reader.rate(
            "LIMIT_SERVER_INVITES", default.server_invites, "How many server invites one user may make or revoke."
        ),
        invite_looks=reader.rate(
            "LIMIT_INVITE_LOOKS",
            default.invite_looks,
            "How often one address may ask whether a server invite is good. Registering with one counts, too.",
        ),
        new_account_s=reader.seconds("NEW_ACCOUNT", default.new_account_s, "How long an account counts as new."),
        new_account_links=reader.number(
            "LIMIT_LINKS",
            default.new_account_links,
            "How many links one message of a new account may have.",
            unit="links",
            minimum=0,
        ),
        edit_window_s=reader.seconds(
            "EDIT_WINDOW",
            default.edit_window_s,
            "How long the author of a message may edit it. Moderators may edit what they wrote at any time. 0: so may "
            "everybody.",
        ),
    )
