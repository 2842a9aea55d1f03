"""`manage.py changepassword [USER]`: another password for an account, by the operator. Asks for it twice.

In the place of Django's command, which only stores the hash: tokens, app passwords and live sessions would go on.
Exit codes: 0 done, 1 refused (in a sentence), 2 called wrongly.
"""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.selectors import user_named
from reaktor.errors import ReaktorError

TRIES = 3


class Command(BaseCommand):
    help = "Set another password for an account. All its tokens, app passwords and live sessions end."
    requires_migrations_checks = True
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="whose (default: you are called the same here)")

    def handle(self, *args: Any, **options: Any) -> str:
        name = options["username"] or getpass.getuser()
        user = user_named(name)
        if user is None:
            raise CommandError(f"There is no account {name}.")
        self.stdout.write(f"Another password for {user.username}.")
        for _ in range(TRIES):
            password = self._asked()
            if password is None:
                self.stderr.write("These two are not the same.")
                continue
            try:
                services.check_password(password, user, strict=True)
                services.password_set(user, password)
            except ReaktorError as error:
                self.stderr.write(error.message)
                continue
            return f"{user.username} has another password now. Log-ins from before have ended."
        raise CommandError("Nothing was changed.")

    @staticmethod
    def _asked() -> str | None:
        """None: it was typed in two ways."""
        typed, again = getpass.getpass(prompt="Password: "), getpass.getpass(prompt="Password (again): ")
        return typed if typed == again else None
