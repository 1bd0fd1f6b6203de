"""What an app shows is made ready to be compared where its dump is read, beside the loop: a script asks for it in each
look, for each thing that it knows, in each language."""

import asyncio
import resource
import threading
import time
from pathlib import Path

from actors.adapters.screen_trees import HUGE, LARGE, beside
from actors.script.as_read import ready
from actors.script.selectors import Selector, matches
from actors.script.tree import Seen, Unreadable, parse

THINGS, LETTERS, LANGUAGES = 2_000, 250, 10
SECONDS = 0.15  # of processor time; 0.01 were measured, where it had been 1.0


def test_a_crowded_screen_holds_nobody_up_for_each_thing_that_is_sought() -> None:
    node = f'<node text="{{}} {LETTERS * "Ж"}" content-desc="{{}}" bounds="[0,0][9,9]"/>'
    nodes = "".join(node.format(number, number) for number in range(THINGS - 1))
    sought = f'<node text="Найти  {THINGS}" bounds="[0,9][9,19]"/>'
    seen = ready(parse(f'<hierarchy rotation="0">{nodes}{sought}</hierarchy>'.encode()))
    assert isinstance(seen, Seen)
    languages = [Selector(text=f"find {number}") for number in range(LANGUAGES - 1)]
    began = time.thread_time()
    found = matches(Selector(any_of=[*languages, Selector(text=f"НАЙТИ {THINGS}")]), seen.tree)
    took = time.thread_time() - began
    print(f"{LANGUAGES} names among {THINGS} things: {1000 * took:.0f} ms")
    assert [one.at for one in found] == [THINGS - 1] and took < SECONDS
    [last] = matches(Selector(text_containing="йти 2"), seen.tree)
    assert last.at == THINGS - 1


def test_a_thing_with_more_attributes_than_any_has_takes_nobodys_turn() -> None:
    """They are taken in one go, while no other thread runs."""
    many = "".join(f" a{at}=''" for at in range(100_000))
    for screen in (f"<node{many}/>", f"<node{many}/>".replace("''", '""'), 40_000 * "<?a?>"):
        assert isinstance(parse(f"<hierarchy>{screen}</hierarchy>".encode()), Unreadable)


def test_nothing_is_left_of_names_that_a_screen_makes_up() -> None:
    """libxml2 keeps each for good: a script that looks once a second left 11 GB in an hour."""

    def look(number: int) -> None:
        names = "".join(f' a{number}_{at}="1"' for at in range(1_000))
        assert isinstance(parse(f"<hierarchy><node{names}/></hierarchy>".encode()), Seen)

    look(0)
    before = resident()
    for number in range(1, 400):
        look(number)
    left = resident() - before
    print(f"399,000 names of screens: {left >> 10} kB are left")
    assert left < 8 * 2**20


async def test_crowded_screens_of_many_phones_are_read_by_few_threads() -> None:
    """Six that read at once left the loop a turn each 35 ms, two 8. And what apps show mostly waits for none of those.
    """
    reading, most, goes_on = 0, 0, threading.Event()

    def read() -> None:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        goes_on.wait(5.0)
        reading -= 1

    crowded = [asyncio.ensure_future(beside(HUGE + 1, read)) for _ in range(20)]
    await asyncio.sleep(0.05)
    try:
        async with asyncio.timeout(0.5):
            assert await beside(LARGE + 1, lambda: "read") == "read"
    finally:
        goes_on.set()
    await asyncio.gather(*crowded)
    assert most == 1


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
