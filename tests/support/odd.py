"""Texts, and amounts, that are odd: what every way to a message is to bear. The clients and the server see the same."""

from __future__ import annotations

MAX_CHARS = 4_000
ZALGO = "".join(chr(0x300 + at) for at in range(79))
TEXTS = {
    "emoji with skin tones, joined": "\U0001f469\U0001f3fd\u200d\U0001f680" * 1_000,
    "a family longer than any": "\U0001f468" + "\u200d\U0001f469" * 1_999 + "\U0001f3ff",
    "flags": "\U0001f1e9\U0001f1ea" * 2_000,
    "marks on every letter": ("a" + ZALGO) * 50,
    "marks on one letter": "e" + "\u0301" * 3_999,
    "marks without a letter": "\u0301" * 4_000,
    "from right to left": "\u05d0\u05d1 \u0645\u062d\u0645\u062f " * 500,
    "turned and never turned back": "\u202e\u2066" * 1_999 + "ab",
    "both directions": "abc \u05d0\u05d1\u05d2 " * 500,
    "all the signs of formatting": "**`[>_~\n" * 500,
    "line ends": "a\r\n" * 1_333 + "b",
}
REACT_499_TIMES = """
from accounts.models import User
from chat.models import Message, Reaction
message = Message.objects.get(pk="{id}")
for number in range(499):
    user = User(username=f"r{{number}}x{prefix}", password="!")
    user.save(force_insert=True)
    Reaction.objects.create(message=message, user=user, emoji="\U0001f44d" if number < 450 else f"word{{number}}")
"""
REPLIES = 10_000
ANSWER_10000_TIMES = """
from accounts.models import User
from chat.posting.batches import Post, store_batch
from chat.selectors import user_ref
author = user_ref(User.objects.get(username="{author}"))
for start in range(1, 10_001, 500):
    store_batch([Post(author, "{key}", f"reply {{n}}", None, thread="{root}") for n in range(start, start + 500)])
"""
