"""The page of the web client: one, the same for everybody, under the strict policy."""

from __future__ import annotations

from django.test import Client


def test_the_page_comes_with_a_policy_that_allows_nothing_inline_and_nothing_foreign() -> None:
    answer = Client().get("/")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    for allowed in ("img-src 'self' data: blob:", "media-src 'self' blob:", "manifest-src 'self'"):
        assert allowed in policy.split("; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_page_is_never_cached_since_it_names_the_current_files() -> None:
    assert "no-store" in Client().get("/").headers["Cache-Control"]


def test_the_page_can_only_be_read() -> None:
    assert Client().post("/").status_code == 405
