"""What the replaced server answered, request by request, and the table of where we answer differently on purpose.

data/rest.json: captures of the original (a status of null: it never answered). DIFFERENT: our status, our sentence
(or "" for an answer of the good shape), and why. Source: the seed contract, "REST".
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from django.conf import settings

from accounts import services
from accounts.models import User
from tests.support.rest import Rest

pytestmark = pytest.mark.django_db
NAME, SECRET = "userp84bduig", "secret1"  # as the capture has them
VECTORS = {each["label"]: each for each in orjson.loads((Path(__file__).parent / "data" / "rest.json").read_bytes())}

WRONG = (401, "Wrong username or password")
CHARSET = (400, "Name must be numbers or letter a-z only")
NOT_A_NUMBER = "must be one whole number"
BAD_NAME = (400, "A channel's name has 1 to 80 characters.")
DIFFERENT: dict[str, tuple[int, str, str]] = {
    "register duplicate": (409, "User with name already exists", "500 for a conflict"),
    "register duplicate, other case (name is case sensitive)": (
        409, "User with name already exists", "names are unique without regard to case",
    ),
    "register system (lower case)": (400, "That name is not allowed", "reserved in any case"),
    "register short password": (
        400, "The password is too short. (min 6. characters)", "a password is never repeated",
    ),
    "register numeric name": (*CHARSET, "500 HTML for a wrong type"),
    "register array name": (*CHARSET, "500 HTML for a wrong type"),
    "register object name": (*CHARSET, "500 HTML for a wrong type"),
    "register numeric password": (400, "The password must be a string", "500 for a wrong type"),
    "register array password": (400, "The password must be a string", "500 for a wrong type"),
    "register path case": (404, "There is nothing here.", "paths are what they are; no client writes it so"),
    "login WRONG password": (*WRONG, "any password was accepted"),
    "login unknown user": (*WRONG, "500, and it told who exists"),
    "login numeric password": (*WRONG, "500 for a wrong type"),
    "login 60-char password": (*WRONG, "it was taken for a hash"),
    "login 60-char password that is a valid bcrypt hash shape": (*WRONG, "any password was accepted"),
    "login with correct 60-char password": (200, "", "the right password was refused"),
    "login case variant name": (*WRONG, "500, and it told who exists"),
    "login name is array": (*WRONG, "any password was accepted"),
    "login name is object": (*WRONG, "500 for a wrong type"),
    "login name is number (unknown)": (*WRONG, "500 for a wrong type"),
    "channels no Authorization": (401, "Token is missing", "400"),
    "channels empty Authorization": (401, "Token is missing", "400"),
    'channels "Bearer tok" (standard, no colon)': (200, "", "the standard way hung for ever"),
    'channels "bearer: tok"': (200, "", "hung for ever"),
    "channels garbage token": (401, "Token is not valid", "hung for ever"),
    "channels token other secret": (401, "Token is not valid", "hung for ever"),
    "channels expired token": (401, "Token is not valid", "hung for ever"),
    "channels alg none token": (401, "Token is not valid", "hung for ever"),
    "channels token for never registered user": (401, "Token is not valid", "nobody was let in"),
    "channels token HS512": (401, "Token is not valid", "another algorithm was accepted"),
    "create channel blank name": (*BAD_NAME, "blank names were stored"),
    "create channel no token": (401, "Token is missing", "400"),
    "create channel bad token": (401, "Token is not valid", "hung for ever"),
    "create channel number name": (*BAD_NAME, "any type was stored"),
    "create channel object name": (*BAD_NAME, "any type was stored"),
    "join weird key (url-encoded unicode, slash, space)": (400, "That is not a channel key.", "any key was made"),
    "join malformed percent": (400, "That is not a channel key.", "400, but a stack trace"),
    "join no token": (401, "Token is missing", "400"),
    "join bad token": (401, "Token is not valid", "hung for ever"),
    "messages missing start,end": (400, f"start {NOT_A_NUMBER}", "500"),
    "messages missing end": (400, f"end {NOT_A_NUMBER}", "500"),
    "messages missing start": (400, f"start {NOT_A_NUMBER}", "500"),
    "messages start=abc": (400, f"start {NOT_A_NUMBER}", "500"),
    "messages start=1.5": (400, f"start {NOT_A_NUMBER}", "500"),
    "messages start empty": (400, f"start {NOT_A_NUMBER}", "nothing was taken for 0"),
    "messages repeated params": (400, f"start {NOT_A_NUMBER}", "500"),
    "messages 1e3": (400, f"end {NOT_A_NUMBER}", "a float was taken for a position"),
    "messages huge": (400, f"end {NOT_A_NUMBER}", "500"),
    "messages no token": (401, "Token is missing", "400"),
    "messages bad token": (401, "Token is not valid", "hung for ever"),
}  # fmt: skip
UNREADABLE = re.compile("JSON|charset|UTF-8", re.IGNORECASE)
"""The original answered unreadable bodies with HTML; here the sentence is ours."""


def token(user: User, kind: str) -> str:
    good, _ = services.seed_token_issue(user)
    if kind == "token":
        return good
    claims = jwt.decode(good, options={"verify_signature": False})
    key, algorithm = settings.JWT_SECRET, "HS256"
    if kind == "another secret":
        key = "k" * 64
    elif kind == "expired":
        claims["exp"] = int(time.time()) - 60
    elif kind == "never registered":
        claims["sub"] = "018f0000-0000-7000-8000-000000000000"
    elif kind == "HS512":
        algorithm = "HS512"
    else:
        return jwt.encode(claims, None, algorithm="none")
    return jwt.encode(claims, key, algorithm=algorithm)


def same_shape(ours: Any, theirs: Any) -> bool:
    """Equal but for what is new each time; fields that we add are none of a client's business."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(name in ours and same_value(name, ours, theirs) for name in theirs)
    return bool(ours == theirs)


def same_value(name: str, ours: Any, theirs: Any) -> bool:
    if name == "token":
        return isinstance(ours[name], str) and jwt.decode(ours[name], options={"verify_signature": False})["name"] != ""
    if name == "expiresIn":
        return abs(ours[name] / 1000 - time.time() - 7 * 86_400) < 10
    if name == "key" and len(theirs[name]) == 43:
        return re.fullmatch(r"[A-Za-z0-9_-]{43}", ours[name]) is not None
    return same_shape(ours[name], theirs[name])


@pytest.mark.parametrize("label", VECTORS)
def test_it_answers_as_the_original_did_or_as_the_table_says(label: str) -> None:
    vector = VECTORS[label]
    exists = not label.startswith("register") or "duplicate" in label
    user = services.user_register(username=NAME if exists else "Somebody", password=SECRET, strict=False)
    if label == "login with correct 60-char password":
        fields = orjson.loads(vector["body"])
        services.user_register(username=fields["name"], password=fields["password"], strict=False)
    headers = dict(vector["headers"])
    if found := re.search("<(.*)>", headers.get("Authorization", "")):
        headers["Authorization"] = headers["Authorization"].replace(found[0], token(user, found[1]))
    kind = headers.pop("Content-Type", "")
    body = vector["body"].encode() if vector["body"] else None
    response = Rest().send(vector["method"], vector["path"], body, content_type=kind, **headers)
    answer = orjson.loads(response.content) if response.content else None

    if label in DIFFERENT:
        status, sentence, _ = DIFFERENT[label]
        said = answer.get("error", "")
        assert (response.status_code, said["message"] if isinstance(said, dict) else said) == (status, sentence)
        return
    assert response.status_code == vector["status"]
    if vector["method"] == "OPTIONS":
        assert response["Access-Control-Allow-Origin"] == "*"
        wanted = headers["Access-Control-Request-Headers"]
        assert response["Access-Control-Allow-Headers"] == wanted
    elif vector["answer"] is not None:
        assert same_shape(answer, vector["answer"]), answer
    elif vector["status"] >= 400:
        assert answer["code"] == ("not_found" if vector["status"] == 404 else "invalid")
        assert vector["status"] == 404 or UNREADABLE.search(answer["error"]) or answer["error"] == "Missing parameter!"


def test_every_difference_is_about_a_captured_request() -> None:
    assert set(DIFFERENT) <= set(VECTORS)
    assert all(why for _, _, why in DIFFERENT.values())
