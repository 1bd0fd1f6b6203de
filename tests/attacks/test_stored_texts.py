"""What people are shown of a stored text is what stands in it: nothing that is not seen, turns the line around or
speaks to a terminal, and of an email no formula for whoever pastes it into a table."""

import sys
import unicodedata
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus_schemas.user import ChangeUser
from tests.support.whole import Whole, whole_site

ODD = [
    "\x00", "\x1b[2J", "\x9b31m", "\u202egnp", "\ufeff", "\u200b", "\u2066", "\xad", "\U000e0041", "\n", "\u2028",
]  # fmt: skip
FORMULAS = ["=1+1", "+1", "-1", "'=1"]
PLAIN = ["op21", "o'brien", "first.last+tag", "\u0456\u0432\u0430\u043d", "\U0001f600", "a=b"]
UNSEEN = {"Cc", "Cf", "Cs"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_site(tmp_path) as site:
        await site.login()
        yield site


def _takes(email: str) -> bool:
    try:
        msgspec.convert({"user": "op12", "email": email}, ChangeUser)
    except msgspec.ValidationError:
        return False
    return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in (*value.keys(), *value.values()) if isinstance(value, dict) else value:
            yield from _texts(one)


async def _sent(site: Whole, method: str, path: str, body: Any) -> int:
    status, _ = await site.ask(method, path, body)
    return status


async def test_no_stored_text_holds_what_is_not_seen(site: Whole) -> None:
    before = len(site.broker.journal)
    taken, tried = [], 0
    for odd in ODD:
        for method, path, body in (
            ("PATCH", "/api/users/op12", {"email": f"{odd}a@example.com"}),
            ("POST", "/api/users", {"username": f"{odd}a", "password": "violet-Harbour-93", "role": "operator"}),
            ("POST", "/api/tokens", {"name": f"{odd}a\u202e", "actions": ["call.view"]}),
            ("POST", "/api/roles/odd", {"permissions": {f"{odd}a": ["view"]}}),
            ("POST", "/api/roles/odd", {"permissions": {"WORKSPACE": [f"{odd}a"]}}),
            ("POST", "/api/slots", {"slot": 50, "serial": f"{odd}a"}),
            ("POST", "/api/call/start", {"number": f"{odd}a", "slot": 11}),
        ):
            tried += 1
            if await _sent(site, method, path, body) < 400:
                taken.append((path, body))
    for formula in FORMULAS:
        assert await _sent(site, "PATCH", "/api/users/op12", {"email": f"{formula}@example.com"}) == 400
    stored = [text for entry in site.broker.journal[before:] for text in _texts(msgspec.json.decode(entry.data))]
    print(f"{tried} odd texts: {len(taken)} taken")
    assert taken == []
    assert stored and not [one for one in stored if {unicodedata.category(char) for char in one} & UNSEEN]
    for odd in ODD:
        assert await _sent(site, "PATCH", "/api/users/op12", {"email": f"a@exam{odd}ple.com"}) == 400


async def test_emails_that_are_some_are_taken(site: Whole) -> None:
    for name in PLAIN:
        assert await _sent(site, "PATCH", "/api/users/op12", {"email": f"{name}@example.com"}) == 200, name


def test_each_character_that_is_not_seen_is_left_out() -> None:
    unseen = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in UNSEEN]
    taken = [f"U+{ord(char):04X}" for char in unseen if _takes(f"a{char}b@example.com")]
    print(f"{len(unseen)} characters that are not seen: {len(taken)} taken")
    assert taken == [] and len(unseen) > 2200
