"""Sends the mails that wait (accounts.mailing), each at least once and under the Message-ID of its row.

One Mailer in each process that serves; whoever finds a mail first claims it. It looks every few seconds, and at once
when this process queues one. A thread of its own talks to the mail server through Django's backend, several mails over
one connection: a server that hangs or refuses holds up that thread and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import smtplib
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection

from accounts import mailing
from accounts.mailing import Letter
from reaktor.db.database import Database
from reaktor.errors import UnavailableError
from reaktor.observe.metrics import Metrics

logger = logging.getLogger(__name__)

LOOK_S = 5.0
BATCH = 20
"""Mails over one connection."""
BATCH_S = 120.0
"""What a slow server leaves of a batch by then is left to who looks next; far less than mailing.CLAIM."""
ATTEMPT_S = 240.0
"""One mail. Each wait for the server has its own, shorter time (EMAIL_TIMEOUT); this is for one that trickles."""
PAUSE_S = 10.0
"""After a server that can't be reached."""
_PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `error` "": the server has the mail. `is_away`: it could not be reached at all."""

    error: str = ""
    is_final: bool = False
    is_away: bool = False


class Sender:
    """The connection to the mail server. Used by one thread; nothing here raises."""

    def __init__(self, sender: str) -> None:
        self._sender = sender
        self._backend: Any = None

    def send(self, letter: Letter) -> Outcome:
        """Send one mail, over the connection of the mail before it."""
        try:
            if self._backend is None:
                backend = get_connection()
                backend.open()
                self._backend = backend
        except Exception as error:  # noqa: BLE001  whatever goes wrong with a server: it is said, and tried again
            return Outcome(_said(error), is_away=True)
        try:
            self._backend.send_messages([self._message(letter)])
        except Exception as error:  # noqa: BLE001  the same
            self.close()
            return Outcome(_said(error), is_final=_is_final(error))
        return Outcome()

    def close(self) -> None:
        """Say goodbye, if the server still listens. May be repeated."""
        backend, self._backend = self._backend, None
        if backend is not None:
            try:
                backend.close()
            except Exception:
                logger.debug("mail: the connection ended badly", exc_info=True)

    def _message(self, letter: Letter) -> EmailMultiAlternatives:
        headers = {**letter.headers, "Message-ID": letter.message_id, "Auto-Submitted": "auto-generated"}
        message = EmailMultiAlternatives(letter.subject, letter.text, self._sender, [letter.to], headers=headers)
        if letter.html:
            message.attach_alternative(letter.html, "text/html")
        return message


def _is_final(error: Exception) -> bool:
    """Whether the server refused this very mail for good. What it says of us (log-in, sender) may be put right."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code in _PERMANENT for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code in _PERMANENT


def _said(error: Exception) -> str:
    """What the server said, for administrators; it may name the address."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__}: {error}"


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


class _Thread:
    """Runs one call after the other in a daemon thread: a process ends without waiting for a mail server."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[], Any], timeout_s: float) -> Any:
        """The call's result. Raises TimeoutError: it goes on, and the next one waits for it."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.wrap_future(self.start(call))

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        """The same for who does not wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="mail", daemon=True)
            self._thread.start()
        future: Future[Any] = Future()
        self._calls.put((future, call))
        return future

    def end(self) -> None:
        """After what runs; not waited for."""
        self._calls.put(None)
        self._thread = None

    def _work(self) -> None:
        while (found := self._calls.get()) is not None:
            future, call = found
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001  whoever waits is told
                    future.set_exception(error)


class Mailer:
    """run() until cancelled; wake() from any thread."""

    def __init__(self, database: Database, sender: str, *, look_s: float = LOOK_S) -> None:
        self._database = database
        self._sender = Sender(sender)
        self._thread = _Thread()
        self._look_s = look_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self.counts: Counter[str] = Counter()

    def wake(self) -> None:
        """A mail waits. Never raises."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._woken.set)

    def metrics(self) -> Metrics:
        names = ("mails_sent", "mails_failed", "mails_given_up")
        return {"counters": {name: self.counts[name] for name in names}, "gauges": {}, "flags": {}, "histograms": {}}

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._woken.clear()
                pause_s = 0.0
                try:
                    pause_s = await self._send_due()
                except UnavailableError:
                    pass  # the database is away: everybody else says so
                except TimeoutError:
                    # Whoever claims the mail next sends it; our thread is done when the server lets go of it.
                    logger.warning("mail: the server did not answer in %g s", ATTEMPT_S)
                except Exception:
                    logger.exception("mail: a batch was not sent; it will be tried again")
                await asyncio.sleep(pause_s)
                try:
                    async with asyncio.timeout(self._look_s):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            self._loop = None
            self._thread.end()

    async def _send_due(self) -> float:
        """Send all that is due; for how long to stay away from the server after that."""
        while await self._database.read(mailing.is_mail_due):
            claimed = await self._database.write(mailing.mails_claim, BATCH)
            self.counts["mails_given_up"] += claimed.given_up
            if claimed.given_up:
                logger.warning("mail: %d were not sent in time and given up", claimed.given_up)
            try:
                if await self._send(claimed.letters):
                    return PAUSE_S
            finally:
                self._thread.start(self._sender.close)
        return 0.0

    async def _send(self, letters: list[Letter]) -> bool:
        """Send a batch; whether the server could not be reached."""
        until = asyncio.get_running_loop().time() + BATCH_S
        found: Counter[str] = Counter()
        is_away = False
        for letter in letters:
            if is_away or asyncio.get_running_loop().time() > until:
                await self._database.write(mailing.mail_release, letter)
                continue
            outcome = await self._thread.run(partial(self._sender.send, letter), ATTEMPT_S)
            is_away = outcome.is_away
            found[await self._settle(letter, outcome)] += 1
        self.counts.update(found)
        if found:
            sent, failed, dead = (found[name] for name in ("mails_sent", "mails_failed", "mails_given_up"))
            log = logger.warning if failed or dead else logger.info
            log("mail: %d sent, %d to be tried again, %d given up", sent, failed, dead)
        return is_away

    async def _settle(self, letter: Letter, outcome: Outcome) -> str:
        """Write down how it ended; the counter of that."""
        if not outcome.error:
            await self._database.write(mailing.mail_sent, letter)
            return "mails_sent"
        failed = mailing.mail_failed
        is_dead = await self._database.write(failed, letter, outcome.error, is_final=outcome.is_final)
        return "mails_given_up" if is_dead else "mails_failed"
