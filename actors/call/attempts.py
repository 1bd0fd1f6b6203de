"""What every start of a call shares, whatever line it goes out on: once per command, counted, on record before it goes.

A call's id is derived from the command's id, so a repeated command meets its own first call: either the call is
still here, or its first write is fenced by the journal and the first answer is read from there.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from actors.call.actor import CallActor
from actors.call.caps import Caps
from actors.call.line import Release, Settle
from actors.call.machine import Attempt, Call, line_of
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.wire import Page
from bus_schemas.call import CallDialing, Phase
from bus_schemas.errors import ErrorCode, Refusal

NOT_OURS_NOW = Refusal(ErrorCode.UNAVAILABLE, "This host is not sure that it owns its lines now. Try again.")


class Placed(Struct, frozen=True, kw_only=True):
    """The attempt that is on record: this command's first. `seq`: its place in the journal, 0 if not known."""

    call_id: str
    slot: int
    trunk: str | None
    seq: int = 0


class Attempts:
    """The attempts of one host."""

    def __init__(self, *, host: Host, caps: Caps) -> None:
        self._host = host
        self._caps = caps
        self._starting: dict[str, asyncio.Task[Page]] = {}

    async def once(
        self, context: Context, answer: Callable[[Placed], Any], start: Callable[[str], Coroutine[Any, Any, Placed]]
    ) -> Page:
        """Start a call, or give the answer that this command had the first time. Under way twice, it is one start."""
        call_id = derived("c", context.command_id)
        if (first := self._first(call_id)) is not None:
            return Page(body=answer(first))
        if (under_way := self._starting.get(call_id)) is None:
            under_way = self._starting[call_id] = self._host.spawn(self._run(call_id, answer, start))
            under_way.add_done_callback(lambda _: self._starting.pop(call_id, None))
        return await asyncio.shield(under_way)

    async def _run(
        self, call_id: str, answer: Callable[[Placed], Any], start: Callable[[str], Coroutine[Any, Any, Placed]]
    ) -> Page:
        if not self._host.may_act:
            raise NOT_OURS_NOW
        placed = await start(call_id)
        return Page(body=answer(placed), seq=placed.seq)

    def count(self, user: str) -> None:
        """Count one start of a user. Raises Refusal(RATE_LIMITED)."""
        live = sum(1 for call in self.live() if call.user == user)
        self._caps.check(user, live, self._host.clock.monotonic())

    def live(self) -> Iterator[Call]:
        """The calls of this host that are not over."""
        for actor in self._host.all("call"):
            if isinstance(actor, CallActor) and actor.state is not None and actor.state.phase is not Phase.ENDED:
                yield actor.state

    async def place(self, attempt: Attempt, context: Context) -> Placed:
        """Put the attempt on record; its line, which is booked, then dials. Raises Refusal."""
        actor = await self._host.begin("call", attempt.call_id)
        try:
            await actor.order(attempt, context)
        except Refusal:
            return await self._not_written(attempt)
        return Placed(call_id=attempt.call_id, slot=attempt.slot, trunk=attempt.trunk, seq=actor.seq)

    def _first(self, call_id: str) -> Placed | None:
        actor = self._host.get("call", call_id)
        if not isinstance(actor, CallActor) or actor.state is None:
            return None
        return Placed(call_id=call_id, slot=actor.state.slot, trunk=actor.state.trunk)

    async def _not_written(self, attempt: Attempt) -> Placed:
        """The attempt was not written now, or nobody knows. If one of the same command is on record, that is the
        answer; the line finds out what became of its booking, and nothing is dialled."""
        call_id = attempt.call_id
        await self._host.release("call", call_id)
        dialing = await self._host.bus.last(f"ottb.v1.evt.call.*.{call_id}.dialing")
        first = msgspec.json.decode(dialing.data, type=CallDialing) if dialing is not None else None
        kind, id = line_of(attempt)
        elsewhere = first is not None and line_of(first) != (kind, id)
        self._host.tell(kind, id, Release(call_id=call_id) if elsewhere else Settle(call_id=call_id))
        if first is None:
            raise Refusal(ErrorCode.TIMEOUT, "The attempt could not be recorded in time. Ask before repeating.")
        return Placed(call_id=call_id, slot=first.slot, trunk=first.trunk)
