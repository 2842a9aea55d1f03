"""Whether live sessions may still be: compared with the store as they begin, and all of them once a minute.

Whatever ends tokens says so on the bus, and that usually ends the sessions at once. What is said while a session is
still beginning, or while the bus is away, is not heard; the store knows it all the same. Owned by the runtime.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from accounts.authentication import Claims
from accounts.models import User
from accounts.standing import accounts_by_id, logins_ended, why_off
from chat.delivery.hub import Hub
from chat.delivery.live_session import LiveSession
from chat.domain.sessions import Credentials
from chat.selectors import user_ref
from reaktor.db.database import Database
from reaktor.errors import Bye, CloseCode, UnavailableError, bye_to_banned

logger = logging.getLogger(__name__)

TOGETHER = 300
"""Sessions compared by one question."""


def credentials_of(claims: Claims) -> Credentials:
    """What a session that came with this token is compared by."""
    return Credentials(claims.token_version, str(claims.login), claims.can_write)


async def verify_again(database: Database, session: LiveSession, verify: Callable[[], User]) -> None:
    """Ask the store once more whose token it is, now that the session is where revocations find it.

    Raises BannedError, NotAuthenticatedError (what `verify` raises), UnavailableError (its rights or name have just
    changed, or it was ended meanwhile: the client comes back with what it has now).
    """
    user = await database.read(verify)
    if not session.is_open or user_ref(user) != session.user:
        raise UnavailableError("The account has just changed.")


class Revalidation:
    """run() until cancelled: every `interval_s`, ends the sessions of this process that may not be any more."""

    def __init__(self, database: Database, hub: Hub, interval_s: float) -> None:
        self._database = database
        self._hub = hub
        self._interval_s = interval_s

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._compare_all()
            except UnavailableError:
                continue  # the database is away: everybody else says so
            except Exception:
                logger.exception("revalidation: the sessions were not compared; they will be the next time")

    async def _compare_all(self) -> None:
        sessions = self._hub.sessions()
        for at in range(0, len(sessions), TOGETHER):
            held = [(session, session.credentials) for session in sessions[at : at + TOGETHER]]
            for session, credentials, bye in await self._database.read(_ended, held):
                # Whoever brought a newer token meanwhile is compared by that one, the next time.
                if session.credentials is credentials and session.is_open:
                    # Not the text: of a ban it is what the moderator wrote.
                    logger.warning("revalidation: a session outlived its token's end (%d)", bye.code)
                    session.close(bye)


Held = tuple[LiveSession, Credentials]


def _ended(held: Sequence[Held]) -> list[tuple[LiveSession, Credentials, Bye]]:
    """Those that may not be any more, and why. Two queries."""
    users = accounts_by_id(session.info.user_id for session, _ in held)
    ended = logins_ended(credentials.login for _, credentials in held if credentials.login)
    found = []
    for session, credentials in held:
        bye = _why(session, credentials, users.get(session.info.user_id), ended)
        if bye is not None:
            found.append((session, credentials, bye))
    return found


def _why(session: LiveSession, credentials: Credentials, user: User | None, ended: set[str]) -> Bye | None:
    """With the codes that the bus would have brought."""
    if user is None or user.deleted_at is not None:
        return Bye(CloseCode.LOGGED_OUT, "account deleted")
    if (off := why_off(user)) is not None:
        return bye_to_banned(off)
    if credentials.token_version != user.token_version or credentials.login in ended:
        return Bye(CloseCode.LOGGED_OUT, "logged out from elsewhere")
    if user_ref(user) != session.user:
        return Bye(CloseCode.RESYNC_NEEDED, "rights changed")
    return None
