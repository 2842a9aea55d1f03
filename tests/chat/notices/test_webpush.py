"""One push: what leaves here is what a browser decrypts; what a service answers is one of four outcomes."""

from __future__ import annotations

import base64
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from chat.notices.subscriptions import Subscription
from chat.notices.targets import Targets
from chat.notices.vapid import RENEW_S, Vapid
from chat.notices.webpush import ANSWER_BYTES, Outcome, Sent, WebPush, encrypted, outcome_of
from reaktor.config.model import Push
from tests.support.push_service import Browser, PushService

VAPID = Vapid("a secret of at least thirty-two characters", "mailto:admin@chat.example")


@pytest.fixture
async def web_push(service: PushService, targets: Targets) -> AsyncIterator[WebPush]:
    found = WebPush(targets, VAPID, service.trust())
    yield found
    await found.close()


def to(browser: Browser) -> Subscription:
    return Subscription(1, browser.endpoint, **browser.keys)


async def send(web_push: WebPush, browser: Browser, content: bytes = b"{}") -> Sent:
    return await web_push.send(to(browser), content, topic="t" * 32, is_urgent=True)


async def test_a_browser_reads_what_was_pushed_and_the_service_knows_who_pushes(
    web_push: WebPush, service: PushService
) -> None:
    browser = service.browser("reads")
    content = {"text": "Grüße 👋", "title": "ann"}
    assert await send(web_push, browser, json.dumps(content).encode()) == Sent(Outcome.SENT)
    (push,) = browser.pushes
    assert (push.content, push.topic) == (content, "t" * 32)
    assert {name: push.headers[name] for name in ("content-encoding", "ttl", "urgency")} == {
        "content-encoding": "aes128gcm",
        "ttl": "86400",
        "urgency": "high",
    }
    assert push.headers["authorization"].endswith(f"k={VAPID.public_key}")


def test_the_example_of_the_standard_is_read_as_it_says() -> None:
    """RFC 8291, 5: what our library decrypts is what others encrypt."""
    import http_ece
    from cryptography.hazmat.primitives.asymmetric import ec

    def data(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    private = ec.derive_private_key(int.from_bytes(data("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")), ec.SECP256R1())
    body = data(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    plain = http_ece.decrypt(body, private_key=private, auth_secret=data("BTBZMqHH6r4Tts7J_aSIgg"), version="aes128gcm")
    assert plain == b"When I grow up, I want to be a watermelon"


def test_two_pushes_of_the_same_text_have_nothing_in_common(service: PushService) -> None:
    browser = service.browser("twice")
    first, second = (encrypted(b"the same", to(browser)) for _ in range(2))
    assert first[:16] != second[:16]
    assert first[-20:] != second[-20:]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int, web_push: WebPush, service: PushService) -> None:
    browser = service.browser("redirected")
    service.answers["/push/redirected"] = (status, {"Location": f"https://{service.host}/push/elsewhere"}, b"")
    assert (await send(web_push, browser)).outcome is Outcome.REFUSED
    assert service.asked == ["/push/redirected"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "sent"),
        (201, "sent"),
        (202, "sent"),
        (204, "sent"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (404, "gone"),
        (408, "later"),
        (410, "gone"),
        (413, "refused"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ],
)
def test_outcomes(status: int, outcome: str) -> None:
    assert outcome_of(status).outcome.value == outcome


@pytest.mark.parametrize(("said", "asked_s"), [(b"120", 120.0), (b"", None), (b"-1", None), (b"9" * 400, None)])
def test_a_service_may_say_when_it_wants_it_again(said: bytes, asked_s: float | None) -> None:
    assert outcome_of(429, said).asked_s == asked_s


async def test_an_answer_without_an_end_is_not_read(web_push: WebPush, service: PushService) -> None:
    browser = service.browser("endless")
    service.answers["/push/endless"] = (201, {"Content-Length": str(10**9)}, b"x" * (ANSWER_BYTES * 4))
    began = time.monotonic()
    assert (await send(web_push, browser)).outcome is Outcome.SENT
    assert time.monotonic() - began < 9, "it was not waited for the rest"
    assert (await send(web_push, service.browser("after"))).outcome is Outcome.SENT


async def test_a_service_that_is_away_is_asked_later(service: PushService) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        host = f"localhost:{taken.getsockname()[1]}"
        web_push = WebPush(Targets(Push(hosts=(host,), allows_private=True)), VAPID, service.trust())
        browser = Browser(f"https://{host}/push/away")
        assert (await send(web_push, browser)).outcome is Outcome.LATER
        await web_push.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(service: PushService, targets: Targets) -> None:
    web_push = WebPush(targets, VAPID)
    browser = service.browser("unknown")
    assert (await send(web_push, browser)).outcome is Outcome.LATER
    assert browser.pushes == []
    await web_push.close()


async def test_a_private_address_is_not_called_unless_that_is_set(service: PushService) -> None:
    web_push = WebPush(Targets(Push(hosts=(service.host,))), VAPID, service.trust())
    sent = await send(web_push, service.browser("inside"))
    assert sent == Sent(Outcome.LATER, "the push service can't be reached: the name has no public address")
    assert service.asked == []
    await web_push.close()


async def test_a_host_that_left_the_settings_is_called_no_more(service: PushService) -> None:
    web_push = WebPush(Targets(Push()), VAPID, service.trust())
    assert (await send(web_push, service.browser("left"))).outcome is Outcome.REFUSED
    await web_push.close()


async def test_the_endpoint_stands_in_no_log(
    web_push: WebPush, service: PushService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await send(web_push, service.browser("secretplace"))
    assert "secretplace" not in "".join(record.getMessage() for record in caplog.records if record.levelno > 10)


def test_one_secret_makes_one_pair_of_keys_and_another_one_another() -> None:
    same, other = Vapid("a secret of at least thirty-two characters", ""), Vapid("another" * 8, "")
    assert same.public_key == VAPID.public_key
    assert other.public_key != VAPID.public_key
    assert len(VAPID.public_key) == 87


def test_a_signature_is_made_anew_in_time() -> None:
    now = [1_000_000.0]
    vapid = Vapid("a secret of at least thirty-two characters", "", clock=lambda: now[0])
    first = vapid.authorization("https://push.example/a")
    now[0] += RENEW_S / 2
    assert vapid.authorization("https://push.example/b") == first
    now[0] += RENEW_S
    assert vapid.authorization("https://push.example/b") != first
    assert vapid.authorization("https://other.example/b") != first
