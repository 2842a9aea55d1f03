"""Growing delay for passwords and names: of a pair, of an address, of a name; and whom it must not keep waiting."""

from __future__ import annotations

import pytest

from accounts import services
from accounts.limits import FOR_NAME, FROM_ADDRESS, NAMES_TAKEN, AccountLimits
from reaktor.config.model import Limits, Rate
from reaktor.errors import (
    ForbiddenError,
    NameTakenError,
    NotAuthenticatedError,
    RateLimitedError,
    UnavailableError,
)
from reaktor.limits.rates import Rates

LIMITS = Limits(login=Rate(10, 60))


class Clock:
    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> AccountLimits:
    return AccountLimits(LIMITS.login, Rates(LIMITS, clock=clock), clock)


def fail(limits: AccountLimits, name: str, address: str, clock: Clock | None = None) -> float:
    """One wrong password, when it may be given; the seconds that it had to wait for that."""
    waited_s = 0.0
    while True:
        try:
            with limits.login(name, address):
                raise NotAuthenticatedError
        except NotAuthenticatedError:
            return waited_s
        except RateLimitedError as refusal:
            assert clock is not None and refusal.retry_after_s is not None  # noqa: PT017, PT018
            waited_s += refusal.retry_after_s
            clock.now += refusal.retry_after_s


def wait_s(limits: AccountLimits, name: str, address: str) -> float:
    """How long the next attempt would have to wait; an attempt that nobody judges, so it counts for nothing."""
    try:
        with limits.login(name, address):
            raise UnavailableError
    except UnavailableError:
        return 0.0
    except RateLimitedError as error:
        return error.retry_after_s or 0.0


def test_one_who_keeps_guessing_waits_longer_and_longer(limits: AccountLimits, clock: Clock) -> None:
    waits = []
    for _ in range(20):
        waits.append(round(fail(limits, "ada", "192.0.2.1", clock)))
        clock.now += 60 / LIMITS.login.count  # the pace that the window alone would allow
    assert waits == [0] * 11 + [6, 18, 42, 90, 186, 378, 762, 894, 894]


def test_the_owner_elsewhere_and_others_beside_are_not_locked_out(limits: AccountLimits, clock: Clock) -> None:
    for _ in range(12):
        fail(limits, "ada", "192.0.2.1", clock)
    assert wait_s(limits, "ada", "192.0.2.1") > 0
    assert wait_s(limits, "ada", "198.51.100.7") == 0
    assert wait_s(limits, "bob", "192.0.2.1") == 0


def test_the_right_password_ends_the_wait_of_the_pair(limits: AccountLimits, clock: Clock) -> None:
    for _ in range(10):
        fail(limits, "ada", "192.0.2.1")
        clock.now += 6
    with limits.login("ada", "192.0.2.1"):
        pass
    clock.now += 60
    for _ in range(9):
        fail(limits, "ada", "192.0.2.1")
    assert wait_s(limits, "ada", "192.0.2.1") == 0


def test_an_address_that_tries_many_names_is_slowed_down_for_at_most_a_minute(
    limits: AccountLimits, clock: Clock
) -> None:
    for index in range(FROM_ADDRESS.free + 10):
        fail(limits, f"name{index}", "192.0.2.1", clock)
    assert wait_s(limits, "another", "192.0.2.1") == pytest.approx(60)
    assert wait_s(limits, "another", "192.0.2.2") == 0


def test_one_site_with_many_ipv6_addresses_is_one_address(limits: AccountLimits, clock: Clock) -> None:
    for index in range(FROM_ADDRESS.free + 1):
        fail(limits, f"name{index}", f"2001:db8:0:1::{index:x}")
    assert wait_s(limits, "another", "2001:db8:0:1::ffff") > 0
    assert wait_s(limits, "another", "2001:db8:0:2::1") == 0


def test_guessing_one_name_from_everywhere_waits_seconds_and_never_where_its_owner_was(
    limits: AccountLimits, clock: Clock
) -> None:
    limits.note_login("Ada", "203.0.113.5")
    for index in range(FOR_NAME.free + 10):
        fail(limits, "ada", f"198.51.{index // 250}.{index % 250}", clock)
    assert 0 < wait_s(limits, "ada", "192.0.2.77") <= FOR_NAME.longest_s
    assert wait_s(limits, "ada", "203.0.113.5") == 0
    assert wait_s(limits, "bob", "192.0.2.77") == 0


def test_asking_which_names_are_taken_takes_longer_and_longer(limits: AccountLimits, clock: Clock) -> None:
    for _ in range(NAMES_TAKEN.free + 3):
        try:
            with limits.register("192.0.2.1"):
                raise NameTakenError
        except NameTakenError:
            pass
        except RateLimitedError as error:
            clock.now += error.retry_after_s or 0
            with pytest.raises(NameTakenError), limits.register("192.0.2.1"):
                raise NameTakenError from None
    with pytest.raises(RateLimitedError), limits.register("192.0.2.1"):
        pass
    clock.now += 3_600
    for _ in range(NAMES_TAKEN.free + 5):
        with limits.register("192.0.2.1"):
            pass


def test_the_password_of_a_stolen_session_can_not_be_guessed(limits: AccountLimits) -> None:
    for _ in range(11):
        with pytest.raises(ForbiddenError), limits.password("42"):
            raise ForbiddenError
    with pytest.raises(RateLimitedError), limits.password("42"):
        pass


def test_switched_off_there_are_none() -> None:
    limits = AccountLimits(LIMITS.login, Rates(Limits(enabled=False)))
    for _ in range(300):
        fail(limits, "ada", "192.0.2.1")
        with pytest.raises(ForbiddenError), limits.password("42"):
            raise ForbiddenError
        with limits.register("192.0.2.1"):
            pass


@pytest.mark.django_db
def test_an_unknown_name_is_kept_waiting_like_a_known_one() -> None:
    services.user_register(username="ada", password="correct horse 7", strict=False)
    answers = []
    for name in ("ada", "nobody"):
        told = []
        for _ in range(12):
            try:
                services.user_authenticate(username=name, password="wrong", address=f"192.0.2.{len(name)}")
            except (NotAuthenticatedError, RateLimitedError) as error:
                told.append(type(error))
        answers.append(told)
    assert answers[0] == answers[1]
    assert answers[0][-1] is RateLimitedError
