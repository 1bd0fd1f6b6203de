"""Marks on a letter are put into order in a time that grows with the square of how many there are: whoever writes
thousands of them on one, in a note, a chat that a phone shows or a log, has others of the host wait."""

import asyncio
import random
import time
import unicodedata

import pytest

from actors.erasure.person import NOTHING_SAID, Person, Traces
from actors.runtime import letters
from actors.runtime.letters import composed
from actors.runtime.marks import Marks
from actors.script.selectors import Selector, one
from actors.script.tree import Seen, parse

MANY = 12_000  # of each of two marks: 48 kB
WRITTEN = {"above and below": "a" + "\u0301" * MANY + "\u0323" * MANY, "two in one": "a" + "\u0f73" * 20_000}
MOST = 0.5  # seconds of the processor; 0.03 were measured, where it had been 0.9 and more


@pytest.mark.parametrize("written", WRITTEN)
def test_no_marks_on_a_letter_take_long_to_be_read_on_a_screen(written: str) -> None:
    node = f'<node text="{WRITTEN[written]}" bounds="[0,0][9,9]"/>'
    seen = parse(f'<hierarchy rotation="0">{node}<node text="OK" bounds="[0,9][9,19]"/></hierarchy>'.encode())
    assert isinstance(seen, Seen)
    began = time.process_time()
    found = one(Selector(text="ok"), seen.tree)
    took = time.process_time() - began
    assert isinstance(found, type(seen.tree.nodes[0])) and found.text == "OK"
    print(f"{written}: {took:.2f} s")
    assert took < MOST


@pytest.mark.parametrize("written", WRITTEN)
def test_no_marks_on_a_letter_take_long_when_somebody_is_erased(written: str) -> None:
    name = "Ol\u00e9na Bee"
    traces = Traces(Person(numbers=frozenset({"+380683212010"}), texts=frozenset({name})), Marks(b"key"))
    began = time.process_time()
    said = traces.without(f"{WRITTEN[written]} {unicodedata.normalize('NFD', name)}!")
    took = time.process_time() - began
    assert said == f"{WRITTEN[written]} {NOTHING_SAID}!"
    print(f"{written}: {took:.2f} s")
    assert took < MOST


def test_what_languages_write_is_composed_as_ever() -> None:
    hebrew, korean, many = "\u05d1\u05bc\u05b8", "\u1100\u1161", "e" + "\u0301\u0323" * 15
    for text in ("Ole\u0301na", "a\u0323\u0301", hebrew, korean, many, "plain"):
        assert composed(text) == unicodedata.normalize("NFC", text)


def test_a_long_text_is_composed_in_pieces_as_it_would_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "_PIECE", 50)
    signs = [*"ab \u0301\u0323\u1100\u1161\u11a8\u09c7\u09be\uac00\u4e2d\ufffd\u00e9\U00011131\U00011127\U0001f600"]
    texts = ["".join(random.Random(seed).choices(signs, k=400)) for seed in range(200)]
    differ = [text for text in texts if composed(text) != unicodedata.normalize("NFC", text)]
    print(f"{len(texts)} texts in pieces: {len(differ)} are others than whole")
    assert differ == []


async def test_others_have_their_turn_while_a_long_text_is_composed() -> None:
    """Python takes no turn from whoever is in one of its own calls: in a thread it held everybody up as it did here."""
    composed("\u00e9")  # what is made at first use
    longest, began = 0.0, time.perf_counter()
    reading = asyncio.ensure_future(asyncio.to_thread(composed, 1_000_000 * "\ufffd"))
    while not reading.done():
        await asyncio.sleep(0)
        longest, began = max(longest, time.perf_counter() - began), time.perf_counter()
    print(f"a text of a million letters: others waited {longest:.3f} s at most")
    assert longest < 0.15
