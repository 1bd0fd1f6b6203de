"""Waiting until a site serves: as long as it gets on, and with what it is at."""

import asyncio
import re
import ssl
from collections.abc import Callable

import msgspec
from msgspec import Struct

from actors.runtime.bus import FULL, STUCK
from cli.site.probes import http_answers, page
from cli.site.supervisor import GaveUp

PATIENCE = 40.0  # seconds without anything new
LOOK = 0.05  # seconds between two looks
SHOW = 2.0  # seconds between two lines of progress
WIDTH = 30  # of the bar
UNITS = {"rebuild": "entries", "start": "actors ({})"}
FAR = re.compile(r"not ready: (?:read up to entry )?([0-9]+) of ([0-9]+)")


class Left(Struct):
    """What a host leaves alone for now. The records are among it while they are made anew, and what it is starting."""

    kind: str
    id: str
    reason: str


class Told(Struct):
    quarantined: list[Left] = []


class Ready(Struct):
    """What `/readyz?verbose` says, as far as it is read here."""

    checks: dict[str, str]
    hosts: list[Told] = []

    @property
    def only_reading(self) -> str | None:
        """Why a gateway that serves reads takes no changes: the journal is full, and nothing else is wrong."""
        failing = [name for name, found in self.checks.items() if found != "ok"]
        why = self.checks["journal"] if failing == ["journal"] else ""
        return why if why.startswith((FULL, STUCK)) else None

    @property
    def far(self) -> tuple[str, int, int] | None:
        """What is not there yet (the records that are made anew from the journal, or actors that are read), how far
        that is, and of how much."""
        lefts = [left for one in self.hosts for left in one.quarantined if left.id in UNITS]
        found = [(left, match) for left in lefts if (match := FAR.match(left.reason)) is not None]
        return min(((UNITS[left.id].format(left.kind), int(far[1]), int(far[2])) for left, far in found), default=None)


async def until_ready(
    ports: list[int], workspace: int, host: str, tls: ssl.SSLContext | None, *, say: Callable[[str], None]
) -> None:
    """Wait until all ports serve. A journal that takes nothing now does not end what can be read; records that are made
    anew, and what a host reads of it, are waited for as long as they come. Raises GaveUp."""
    loop = asyncio.get_running_loop()
    give_up, shown, seen = loop.time() + PATIENCE, loop.time(), dict[str, int]()
    while ports := [port for port in ports if not await http_answers(port, "/readyz", host, tls)]:
        said = await _verbose(workspace, host, tls)
        if said is not None and (why := said.only_reading) is not None:
            say(f"only reading works: {why}")
            return
        if said is not None and (far := said.far) is not None:
            what, done, whole = far
            if done > seen.get(what, -1):
                seen[what], give_up = done, loop.time() + PATIENCE
            if loop.time() - shown >= SHOW:
                shown = loop.time()
                say(bar(done, whole, what))
        if loop.time() >= give_up:
            raise GaveUp(f"not ready: nothing new for {PATIENCE:g} s")
        await asyncio.sleep(LOOK)


def bar(done: int, whole: int, what: str = "entries") -> str:
    """How far the reading is."""
    share = min(done / whole, 1.0) if whole else 1.0
    full = round(share * WIDTH)
    return f"reading the journal  [{'#' * full}{'.' * (WIDTH - full)}]  {share:4.0%}  {done:,} of {whole:,} {what}"


async def _verbose(port: int, host: str, tls: ssl.SSLContext | None) -> Ready | None:
    """None: it does not serve, or it serves all."""
    status, body = await page(port, "/readyz?verbose", host, tls)
    try:
        return msgspec.json.decode(body, type=Ready) if status == 503 else None
    except msgspec.MsgspecError:
        return None
