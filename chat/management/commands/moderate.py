"""`manage.py moderate ACTION USER [--channel KEY] [--for 2h] --reason TEXT`: sanctions from scripts, as `system`.

Exit codes: 0 done, 1 refused (in a sentence), 2 called wrongly, 3 stored, but no live server was reached: it takes
effect when there is one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat import services
from chat.domain.ids import SYSTEM
from chat.management.commands.clusterctl import NO_LIVE_SERVER
from reaktor.config.model import ConfigError
from reaktor.config.variables import parse_duration_s
from reaktor.errors import ReaktorError
from reaktor.process.announce import kept_lines, say
from reaktor.process.orders import BLOCKS_CHANGED, ORDERS_GROUP
from reaktor.wording import counted

ACTIONS = ("kick", "mute", "ban", "lift", "purge")


class Command(BaseCommand):
    help = "Kick, mute, ban a user, lift what holds, or delete what they wrote lately."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=ACTIONS)
        parser.add_argument("user", help="whom")
        parser.add_argument(
            "--channel", metavar="KEY", help="where (default: everywhere; --channel=KEY if it begins with -)"
        )
        parser.add_argument("--for", dest="period", metavar="2h", help="how long (default: for good; purge: 24h)")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why; the user is shown it")

    def handle(self, *args: Any, **options: Any) -> None:
        action, place = options["action"], {"username": options["user"], "channel": options["channel"]}
        if action in {"kick", "mute", "ban"} and not options["reason"]:
            raise CommandError("Say why: --reason TEXT.", returncode=2)
        try:
            period_s = parse_duration_s(options["period"]) if options["period"] else None
        except ConfigError as error:
            raise CommandError(f"--for: {error}.", returncode=2) from error
        # A purge says so of each message.
        with kept_lines():
            try:
                done = self._do(action, place, period_s, options["reason"])
            except ReaktorError as error:
                raise CommandError(error.message) from error
            self.stdout.write(done)
            # Said once more, to know whether anybody listens: the authority reads the blocks again, which is harmless.
            is_heard = say(ORDERS_GROUP, BLOCKS_CHANGED, {})
        if not is_heard:
            raise CommandError(
                "Stored. No live server was reached; it holds when one starts.", returncode=NO_LIVE_SERVER
            )

    def _do(self, action: str, place: dict[str, Any], period_s: float | None, reason: str) -> str:
        whom = f"{place['username']} {'in ' + place['channel'] if place['channel'] else 'everywhere'}"
        match action:
            case "lift":
                count = services.sanction_lift_all(user=SYSTEM, **place, reason=reason)
                return f"Lifted {counted(count, 'sanction')} of {whom}."
            case "purge":
                hours = max(round((period_s or 86_400) / 3600), 1)
                done = services.messages_purge(user=SYSTEM, **place, hours=hours, reason=reason, batches=None)
                return f"Deleted {counted(done['deleted'], 'message')} of {whom}."
            case _:
                until = datetime.now(UTC) + timedelta(seconds=period_s) if period_s else None
                made = services.sanction_issue(user=SYSTEM, kind=action, **place, until=until, reason=reason)
                return f"{action.title()} of {whom} until {made['until'] or 'lifted'}."
