"""What an app shows is read beside the loop where it is much: nobody else waits for it."""

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from actors.adapters.phone_screen import PhoneScreen
from actors.by_hand.screen import AT_ONCE, Camera, Shot
from actors.script.effects import Dump, Looked
from actors.script.tree import BYTES, LOST, PIECE, Seen, Unreadable, parse
from actors.slot.phone import ShellResult

HEAD, END = '<hierarchy rotation="0"><node text="', '"/></hierarchy>'
SECONDS = 0.1  # of the loop's own processor time; 0.02 were measured, where it had been 0.3 and more
WATCHED, PATIENCE = 6, 4.0
TOO_MUCH = "attributes"
SCREENS = {
    "numbers for letters": HEAD + "&#64;" * 390_000 + END,
    "numbers of what is no letter": HEAD + "&#1;" * 480_000 + END,
    "signs that XML cannot carry": HEAD + "\x01" * 1_900_000 + END,
    TOO_MUCH: f'<hierarchy><node {" ".join(f"""a{number}="" """ for number in range(120_000))}/></hierarchy>',
}


@dataclass
class Told:
    """A phone that has this on its screen, in its file or, where it is `elsewhere`, in another."""

    dump: str
    elsewhere: bool

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        if command == "'cat' '/sdcard/w.xml'":
            return ShellResult(exit_code=0, output=self.dump, truncated=False)
        path = next(word for word in command.replace(";", " ").split() if word.endswith(".xml"))
        mark = path.rpartition("/")[2].removesuffix(".xml").replace("-screen", "")
        there, file = ("/sdcard/w.xml", "") if self.elsewhere else (path, self.dump)
        said = f"UI hierchary dumped to: {there}\n\n{mark}\n{file}"
        return ShellResult(exit_code=0, output=said, truncated=False)

    async def raw_output(self, command: str, *, timeout: float, max_output: int) -> bytes:
        raise NotImplementedError


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("what", SCREENS)
async def test_a_large_screen_is_read_beside_the_loop(what: str, elsewhere: bool) -> None:
    assert len(SCREENS[what]) <= BYTES
    screen = PhoneScreen(Told(SCREENS[what], elsewhere))
    began = time.thread_time()
    looked = await asyncio.wait_for(screen.carry_out(Dump()), 30)
    took = time.thread_time() - began
    assert isinstance(looked, Looked) and isinstance(looked.screen, Unreadable if what == TOO_MUCH else Seen), looked
    assert took < SECONDS, took


def test_what_xml_cannot_carry_is_lost_wherever_it_stands() -> None:
    for before in range(PIECE - 40, PIECE + 2):
        seen = parse((HEAD + "x" * (before - len(HEAD)) + "\x01&#1;&#64;\U0001f44d" + END).encode())
        assert isinstance(seen, Seen) and seen.tree.nodes[0].text.strip("x") == f"{LOST}{LOST}@\U0001f44d"


@pytest.mark.parametrize("kind", ["jpeg", "png"])
async def test_nobody_waits_for_all_the_pictures_that_somebody_wants(kind: str) -> None:
    """A picture of 30 million pixels takes a second or more, and six screens may be watched at once."""
    may_go_on, made = threading.Semaphore(0), list[bytes]()

    def make(png: bytes, *how: Any) -> bytes:
        may_go_on.acquire(timeout=PATIENCE)
        made.append(png)
        return png

    camera = Camera(make, make, asyncio.create_task)

    def wanted(user: str, width: int) -> "asyncio.Task[bytes]":
        shot = Shot(user.encode(), 0.0)
        if kind == "png":
            return asyncio.create_task(camera.png(shot, ("user", user), width))
        return asyncio.create_task(camera.jpeg(shot, ("user", user), 60, width, None))

    many = [wanted("ann", width) for width in range(100, 100 + WATCHED)]
    await asyncio.sleep(0.05)
    other = wanted("bob", 100)
    may_go_on.release(AT_ONCE)
    await asyncio.wait({other}, timeout=PATIENCE / 2)
    before = made.count(b"ann")
    may_go_on.release(WATCHED)
    await asyncio.gather(*many, other)
    print(f"{WATCHED} pictures of one user, then one of another: that came after {before}")
    assert b"bob" in made[:AT_ONCE] and len(made) == WATCHED + 1
