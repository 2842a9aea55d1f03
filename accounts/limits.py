"""How often one may try a password, a code or a name, in all processes. Source: docs/protocol.md, "Limits".

What fails again and again has to wait longer and longer: quickly for one name from one address, later for all that an
address tries, and later still, never for long and never for who has been here before, for one name from anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from accounts.known_places import KnownPlaces
from reaktor.addresses import address_group
from reaktor.config.model import Rate
from reaktor.errors import (
    ForbiddenError,
    NameTakenError,
    NotAuthenticatedError,
    RateLimitedError,
    SecondFactorRequiredError,
)
from reaktor.limits.backoff import Counted, Delay
from reaktor.limits.rates import Limit, Rates, Unmetered
from reaktor.limits.sharedlimits import SharedBackoff, hashed

HOUR_S = 3_600.0
# Many people may share an address (a school, a proxy that was not named), and all of their slips count.
FROM_ADDRESS = Delay(free=50, first_s=1, longest_s=60, memory_s=HOUR_S)
# Guessing from many addresses. Whoever is kept waiting by it may be the owner in a new place: seconds, never more.
FOR_NAME = Delay(free=100, first_s=1, longest_s=10, memory_s=HOUR_S)
# A registration that finds its name taken tells that there is such an account; asking for many of them takes long.
NAMES_TAKEN = Delay(free=20, first_s=1, longest_s=60, memory_s=HOUR_S)
# A million codes, three of which are good at any time: a hundred guesses a day would take ten years.
CODE = Delay(free=5, first_s=2, longest_s=HOUR_S / 4, memory_s=24 * HOUR_S)
COUNTED_BY_LIMITS = Unmetered("accounts.limits counts it around the look at the password, by name and by address")
FAILURES = (NotAuthenticatedError, ForbiddenError, NameTakenError)


class Attempt:
    """A `with` block that counts as a failure from its beginning; how it ends says whether it stays one.

    By one of FAILURES: it does. By SecondFactorRequiredError: under `own` alone, since many who log in rightly may
    share an address. By another error (nobody judged it): it is withdrawn. Well: withdrawn, and earlier failures under
    `own` are forgotten. `check` is asked after the delays, and may refuse it as well.
    """

    def __init__(
        self,
        backoff: SharedBackoff | None,
        counted: Counted,
        *,
        own: str | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._backoff = backoff
        self._counted = counted
        self._own = own
        self._check = check

    def __enter__(self) -> None:
        if self._backoff is None:
            return
        self._backoff.begin(self._counted)
        try:
            self._check()
        except RateLimitedError:
            self._backoff.undo(self._counted)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if self._backoff is None or (kind is not None and issubclass(kind, FAILURES)):
            return
        is_half = kind is not None and issubclass(kind, SecondFactorRequiredError)
        self._backoff.undo([each for each in self._counted if not (is_half and each[0] == self._own)])
        if kind is None and self._own is not None:
            self._backoff.clear(self._own)


NOT_COUNTED = Attempt(None, ())


class AccountLimits:
    """Owned by the app's config; every refusal is a RateLimitedError. LIMITS=off lifts them all.

    Asks Redis where there is one: called in threads.
    """

    def __init__(self, login: Rate, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        pace_s = login.period_s / login.count
        self._own = Delay(free=login.count, first_s=2 * pace_s, longest_s=HOUR_S / 4, memory_s=HOUR_S)
        self._backoff = SharedBackoff(rates.shared, clock)
        self._known = KnownPlaces(rates.shared, clock)

    def login(self, username: str, address: str) -> Attempt:
        """Around the look at a password. Entering it raises RateLimitedError where there were too many."""
        if not self._rates.is_enabled:
            return NOT_COUNTED
        name, place = username.lower(), address_group(address)
        pair = hashed(name, place)
        own = f"own:{pair}"
        counted = [(own, self._own), (f"from:{hashed(place)}", FROM_ADDRESS)]
        if not self._known.knows(pair):
            counted.append((f"name:{hashed(name)}", FOR_NAME))
        return Attempt(self._backoff, counted, own=own, check=partial(self._rates.check, Limit.LOGIN, pair))

    def note_login(self, username: str, address: str) -> None:
        """This name has logged in from there: guessing elsewhere won't keep it waiting here."""
        if self._rates.is_enabled:
            self._known.note(hashed(username.lower(), address_group(address)))

    def password(self, user_id: str) -> Attempt:
        """Around the look at the password of somebody who is logged in already."""
        own = f"password:{user_id}"
        return Attempt(self._backoff, [(own, self._own)], own=own) if self._rates.is_enabled else NOT_COUNTED

    def code(self, device: str) -> Attempt:
        """Around the look at a code of somebody who knew the password."""
        own = f"code:{device}"
        return Attempt(self._backoff, [(own, CODE)], own=own) if self._rates.is_enabled else NOT_COUNTED

    def mail(self, folded: str, address: str) -> None:
        """One more mail about accounts to that e-mail address, asked for from there. Raises RateLimitedError."""
        if self._rates.is_enabled:
            self._rates.check(Limit.MAIL_FROM_IP, hashed(address_group(address)))
            self._rates.check(Limit.MAIL_TO_ADDRESS, hashed(folded))

    def invite_look(self, address: str) -> None:
        """One more look at whether an invite is good, from there. Raises RateLimitedError."""
        if self._rates.is_enabled:
            self._rates.check(Limit.INVITE_LOOKS, hashed(address_group(address)))

    def register(self, address: str | None) -> Attempt:
        """Around the making of an account; one whose name is taken has failed. None: whoever asks is not limited."""
        if not self._rates.is_enabled or address is None:
            return NOT_COUNTED
        place = hashed(address_group(address))
        check = partial(self._rates.check, Limit.REGISTER, place)
        return Attempt(self._backoff, [(f"taken:{place}", NAMES_TAKEN)], check=check)
