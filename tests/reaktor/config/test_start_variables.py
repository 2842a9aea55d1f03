"""What is said of the secrets that a first start needs."""

from __future__ import annotations

import re

from reaktor.config.environment import variables
from reaktor.config.model import MIN_SECRET_CHARS
from reaktor.config.secrets import STORED


def test_the_settings_page_asks_for_as_many_characters_of_a_secret_as_are_checked() -> None:
    """The page said 50 of SECRET_KEY, and the server refused less than 32."""
    told = {each.name: each.about for each in variables() if each.name in STORED}
    assert [re.findall(r"at least (\d+)", text) for text in told.values()] == [[str(MIN_SECRET_CHARS)]] * 3
