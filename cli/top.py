"""`ottb top`: the board on a terminal. What it shows is in `top_board.py`."""

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from msgspec.structs import replace
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bus_schemas.alert import AlertView
from bus_schemas.errors import ErrorCode
from bus_schemas.slot import SlotSummary
from cli.terminal import harmless
from cli.top_board import Board, Line, Seen, all_lines, lines, page_of, typed
from ottb_client import ApiError, Client

PATIENCE = 5.0  # seconds for one look
NAMED = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "\x1b[5~": "pageup", "\x1b[6~": "pagedown",
    "\x1b[H": "home", "\x1b[F": "end", "\x1b": "esc",
}  # fmt: skip
LONGEST_KEY = 4

Found = TypeVar("Found")


async def show(api: Client, *, every: float, once: bool) -> None:
    """Until somebody ends it. Raises ApiError where it is printed once and nobody answers."""
    console = Console()
    if once or not (console.is_terminal and sys.stdin.isatty()):
        for line in all_lines(Board(seen=await look(api)), console.width):
            console.print(drawn([line]), soft_wrap=True)
        return
    await Screen(api, console, every).run()


class Screen:
    """The board on a terminal, which looks again and again and hears keys meanwhile."""

    def __init__(self, api: Client, console: Console, every: float) -> None:
        self._api = api
        self._console = console
        self._every = every
        self._board = Board()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until somebody ends it. Raises ApiError for what stays refused."""
        loop = asyncio.get_running_loop()
        looking = loop.create_task(self._look())
        looking.add_done_callback(lambda task: self._end())
        try:
            with raw(sys.stdin.fileno()), Live(console=self._console, screen=True, auto_refresh=False) as live:
                loop.add_reader(sys.stdin.fileno(), self._hear)
                loop.add_signal_handler(signal.SIGWINCH, self._changed.set)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    loop.add_signal_handler(number, self._end)
                try:
                    await self._draw(live)
                finally:
                    loop.remove_reader(sys.stdin.fileno())
                    for number in (signal.SIGWINCH, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                        loop.remove_signal_handler(number)
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    async def _draw(self, live: Live) -> None:
        while not self._board.over:
            self._changed.clear()
            width, height = self._console.size
            live.update(drawn(lines(self._board, width, height)), refresh=True)
            await self._changed.wait()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    seen = await look(self._api)
                last, self._board = loop.time(), replace(self._board, seen=seen, away=None)
            except (ApiError, TimeoutError) as error:
                if isinstance(error, ApiError) and not error.passing:  # it will be the same each time
                    raise
                why = error.message if isinstance(error, ApiError) else "the gateway is slow"
                self._board = replace(self._board, away=loop.time() - last, why=why.rstrip("."))
            self._changed.set()
            await asyncio.sleep(self._every)

    def _hear(self) -> None:
        given = os.read(sys.stdin.fileno(), 256).decode(errors="replace")
        if not given:  # the terminal is gone
            self._end()
        for key in keys(given):
            self._type(key)

    def _end(self) -> None:
        self._board = replace(self._board, over=True)
        self._changed.set()

    def _type(self, key: str) -> None:
        self._board = typed(self._board, key, page_of(self._board, self._console.size.height))
        self._changed.set()


async def look(api: Client) -> Seen:
    """Ask for all of it. Raises ApiError: nobody answers, or the slots are not to be seen."""
    slots, hubs, hosts, alerts = await asyncio.gather(
        _all(api), _allowed(api.list_hubs), _allowed(api.list_hosts), _allowed(lambda: _alerts(api))
    )
    return Seen(slots=tuple(slots), hubs=hubs, hosts=hosts, alerts=alerts)


async def _all(api: Client) -> list[SlotSummary]:
    return [slot async for slot in api.list_slots(limit=1000)]


async def _alerts(api: Client) -> list[AlertView]:
    return [*await api.list_alerts(limit=500)]


async def _allowed(ask: Callable[[], Awaitable[list[Found]]]) -> tuple[Found, ...] | None:
    """What is asked for. None: it is not this user's to see. Raises ApiError."""
    try:
        return tuple(await ask())
    except ApiError as error:
        if error.code == ErrorCode.PERMISSION_DENIED:
            return None
        raise


def drawn(shown: list[Line]) -> Text:
    """Lines as the terminal shows them; without colours where it has none."""
    text = Text(no_wrap=True, overflow="crop", end="")
    for number, line in enumerate(shown):
        text.append(("\n" if number else "") + harmless(line.text), style=line.style or None)
    return text


def keys(given: str) -> Iterator[str]:
    """The keys that were typed, by name where they have one."""
    while given:
        length = next((size for size in range(LONGEST_KEY, 0, -1) if given[:size] in NAMED and size <= len(given)), 1)
        yield NAMED.get(given[:length], given[:length])
        given = given[length:]


@contextlib.contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Keys come as they are typed, and not on the screen; afterwards all is as it was."""
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
