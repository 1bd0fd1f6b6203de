"""Many actors of one kind that a host is to own: one that cannot be read costs that one, and others come."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from actors.runtime.actor import AnyActor
from actors.runtime.bus import BusError, BusFull, Fenced

if TYPE_CHECKING:
    from actors.runtime.host import Host

log = structlog.get_logger()

SPACE_PAUSE = 5.0  # seconds between two tries to begin while the journal takes nothing

A = TypeVar("A", bound=AnyActor)


@dataclass
class Coming:
    """How many are there, of how many."""

    of: int
    there: int = 0


async def activate_all(
    host: "Host", kind: type[A], ids: Iterable[str], prepare: Callable[[A], None] = lambda actor: None
) -> None:
    """Activate many, a bounded number at once. One that cannot be is quarantined; where the journal takes nothing
    now, until it does. Raises BusError."""
    wanted = list(ids)
    coming = host.coming[kind.kind] = Coming(of=len(wanted))

    async def one(id: str) -> None:
        await _activate_or_quarantine(host, kind, id, prepare)
        coming.there += 1

    try:
        await asyncio.gather(*(one(id) for id in wanted))
    finally:
        del host.coming[kind.kind]


async def _activate_or_quarantine(host: "Host", kind: type[A], id: str, prepare: Callable[[A], None]) -> None:
    try:
        await host.activate_at_last(kind, id, prepare)
    except Fenced as error:
        host.quarantine(kind.kind, id, f"somebody else writes to its journal: {error}")
    except BusFull as full:  # what is on record can be read, and the actor comes once there is space
        host.quarantine(kind.kind, id, str(full))
        host.spawn(_activate_with_space(host, kind, id, prepare))
    except BusError:
        raise
    except Exception as error:  # noqa: BLE001  one bad thing costs that thing
        host.quarantine(kind.kind, id, str(error) or repr(error))


async def _activate_with_space(host: "Host", kind: type[A], id: str, prepare: Callable[[A], None]) -> None:
    await host.pause(SPACE_PAUSE)
    try:
        await _activate_or_quarantine(host, kind, id, prepare)
    except BusError as error:
        log.info("not activated yet", actor=f"{kind.kind} {id}", error=repr(error))
        host.spawn(_activate_with_space(host, kind, id, prepare))
