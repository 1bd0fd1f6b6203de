"""What steps have begun on phones, on the disk: a call, a script or a reservation of a runner that is killed is ended
by the next one of its host, as its processes are."""

import asyncio
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.secret_files import write_secret
from actors.runtime.wire import ask
from bus_schemas.call import END_CALL, EndCall
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.script import STOP_RUN, StopRun
from bus_schemas.slot import END_RESERVATION, EndReservation

log = structlog.get_logger()

CALL, SCRIPT, SLOT = "call", "script", "slot"
PATIENCE, AGAIN = 3600.0, 2.0  # seconds for what is left, whose owners may be away; and between two tries
PASSING = (ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.RATE_LIMITED, ErrorCode.INTERNAL)
OF_OTHERS = {Action.CALL_END_ANY, Action.SCRIPT_STOP_ANY, Action.SLOT_RESERVE_ANY}  # it may be theirs by now


class Begun(Struct, frozen=True):
    """`kind`: CALL, SCRIPT, or SLOT that is reserved; `id`: its own, of a slot with the lease."""

    kind: str
    id: str


class OnPhones:
    """Of one host, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ending = set[asyncio.Task[None]]()

    async def note(self, begun: Begun, user: str) -> None:
        """It is about to begin, in somebody's name. Raises OSError."""
        await asyncio.to_thread(self._write, begun, user)

    def over(self, begun: Begun) -> None:
        """It is over, or has not begun."""
        self._file(begun).unlink(missing_ok=True)

    def is_noted(self, begun: Begun) -> bool:
        """Whether it may have begun, and is not over."""
        return self._file(begun).exists()

    async def end_left(self, bus: Bus, ids: Ids) -> None:
        """End what is noted, each for a while."""
        left = await asyncio.to_thread(self._left)
        await asyncio.gather(*(self._end(begun, user, bus, ids) for begun, user in left))

    def end_later(self, begun: Begun, user: str, bus: Bus, ids: Ids) -> None:
        """The same of what nobody waits for any more, and that could not be ended yet."""
        task = asyncio.get_running_loop().create_task(self._end(begun, user, bus, ids))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """End no more: what is noted is for the next one."""
        ending = list(self._ending)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    async def _end(self, begun: Begun, user: str, bus: Bus, ids: Ids) -> None:
        rpc, request = ending(begun)
        may = rpc.needed - OF_OTHERS
        try:
            async with asyncio.timeout(PATIENCE):
                while not await is_over(rpc, request, Context(command_id=ids.new(), user=user, actions=may), bus):
                    await asyncio.sleep(AGAIN)
        except TimeoutError:
            log.error("what a run has left on a phone is not ended", kind=begun.kind, id=begun.id)
            return
        log.warning("what a run has left on a phone is ended", kind=begun.kind, id=begun.id)
        self.over(begun)

    def _file(self, begun: Begun) -> Path:
        return self._folder / f"{begun.kind}.{begun.id}"

    def _write(self, begun: Begun, user: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_secret(self._file(begun), user.encode())

    def _left(self) -> list[tuple[Begun, str]]:
        if not self._folder.is_dir():
            return []
        files = [file for file in sorted(self._folder.iterdir()) if file.suffix != ".partial"]
        return [(Begun(*file.name.split(".", 1)), file.read_text()) for file in files]


def ending(begun: Begun) -> tuple[Rpc[Any, Any], Struct]:  # any: of the kind
    """What is asked to have it end."""
    match begun.kind:
        case "call":
            return END_CALL, EndCall(call_id=begun.id)
        case "script":
            return STOP_RUN, StopRun(script_id=begun.id)
        case _:
            slot, _, lease = begun.id.partition(".")
            return END_RESERVATION, EndReservation(slot=int(slot), lease=lease or None)


async def is_over(rpc: Rpc[Any, Any], request: Struct, context: Context, bus: Bus) -> bool:
    """Have it end, and say whether it is over: what is refused for good is nowhere, over already, or another's now."""
    try:
        await ask(bus, rpc, request, context)
    except Refusal as refusal:
        return refusal.code not in PASSING
    return True
