"""The variables of accounts: what staff must show, and what a deleted account leaves. Pure."""

from __future__ import annotations

from typing import Any

from reaktor.config.variables import Reader


def read_accounts(reader: Reader) -> dict[str, Any]:
    """The fields of Config that are no part of it, by their names."""
    reader.section = "Accounts"
    return {
        "staff_totp": reader.choice(
            "STAFF_TOTP",
            "optional",
            "Whether staff must have a second factor, for the admin and for the API. Whoever has one must show it at "
            "each log-in in any case. The default in production is `required`.",
            among=("optional", "required"),
        ),
        "account_deletion": reader.choice(
            "ACCOUNT_DELETION",
            "keep",
            "What becomes of the messages of a deleted account: kept under a neutral name, or removed.",
            among=("keep", "remove"),
        ),
        "directory": reader.choice(
            "DIRECTORY",
            "all",
            "Whom somebody finds who searches for people: everybody (`all`), or who belongs to a channel that they "
            "belong to, too (`shared`); the three that every account begins in don't count. Whoever knows a user name "
            "sees that person in any case.",
            among=("all", "shared"),
        ),
        "bots": reader.choice(
            "BOTS",
            "members",
            "Who makes bots: everybody whose account is not new, or staff alone. Bots that there are go on.",
            among=("members", "staff"),
        ),
    }
