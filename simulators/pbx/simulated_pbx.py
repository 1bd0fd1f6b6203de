"""A PBX in simulated time: the `Pbx` port straight over a switch (`switch.py`), without sockets."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from actors.telephony.reports import Look
from actors.trunk.pbx import Originate, PbxLink, PbxReport, PbxUncertain, PbxUnreachable
from bus_schemas.trunk import TrunkConfig
from simulators.device.wire import Unanswered
from simulators.pbx.switch import Switch
from simulators.time.process import Step, here, no_step

Answer = TypeVar("Answer")

NAME = "pbx"


class SimulatedPbx:
    """One host's connection to a switch. `alive` says whether the host's process still exists; one that does not
    waits for `buried`. Where the host is a `Process`, it hears nothing while that is frozen."""

    def __init__(
        self, switch: Switch, *, alive: Callable[[], bool], buried: asyncio.Event, step: Step = no_step
    ) -> None:
        self._switch = switch
        self._alive = alive
        self._buried = buried
        self._step = step
        self._home = here()
        self._reports: dict[str, Callable[[PbxReport], None]] = {}
        self._connection = -1  # how often the wire was cut before it was opened

    def attach(self, trunk: TrunkConfig, report: Callable[[PbxReport], None]) -> None:
        self._reports[trunk.name] = report
        if len(self._reports) == 1:
            self._switch.attach(self)
            self._connection = self._switch.wire.cuts
        if self._alive():
            report(self._switch.link() if self._connected else PbxLink(up=False, detail="cut"))

    def detach(self, trunk: str) -> None:
        self._reports.pop(trunk, None)
        if not self._reports:
            self._switch.detach(self)

    async def originate(self, trunk: TrunkConfig, order: Originate) -> None:
        # Sent in the very step in which it was asked: what the asker has just checked still holds.
        await self._order("originate", lambda: self._switch.place(trunk.name, order), survives=True)

    async def redirect(self, call_id: str, extension: str) -> None:
        # Sent in the very step in which it was asked, as an order to dial is.
        await self._order("redirect", lambda: self._switch.redirect(call_id, extension), survives=True)

    async def hang_up(self, call_id: str) -> None:
        await self._pass("before hang-up")
        await self._order("hang-up", lambda: self._switch.press_end(call_id), survives=True)

    async def look(self, call_id: str) -> Look:
        await self._pass("before look")
        return await self._order("look", lambda: self._switch.look(call_id))

    def hear(self, report: PbxReport) -> None:
        """What the PBX says to who is connected, and that a connection breaks or can be had again."""
        if not self._alive() or not (self._connected or isinstance(report, PbxLink)):
            return
        if self._home is None or self._home is here():
            self._hear(report)
        else:
            self._home.call(self._hear, report)

    # --- inside

    @property
    def _connected(self) -> bool:
        return self._switch.connected and self._connection == self._switch.wire.cuts

    def _hear(self, report: PbxReport) -> None:
        """A host that stood still hears of a PBX that is back when it goes on, and only then connects to it."""
        if not isinstance(report, PbxLink) or not report.up:
            self._tell(report)
            return
        now = self._switch.now()
        self._switch.wire.reopen(
            self._open, noted=lambda seconds: self._switch.book.fault("reopening", NAME, now, now + seconds)
        )

    def _open(self, cuts: int) -> None:
        if self._switch.connected:
            self._connection = cuts
            self._tell(self._switch.link())

    def _tell(self, report: PbxReport) -> None:
        for tell in list(self._reports.values()):
            tell(report)

    async def _order(self, name: str, effect: Callable[[], Answer], *, survives: bool = False) -> Answer:
        if not self._connected:
            raise PbxUnreachable("simulated: not connected")

        def unusual(kind: str, seconds: float) -> None:
            now = self._switch.now()
            self._switch.book.fault(f"{name}: {kind}", NAME, now, now + seconds)

        try:
            answer = await self._switch.wire.send(effect, survives=survives, unusual=unusual)
        except Unanswered:
            raise PbxUncertain("simulated: no answer") from None
        await self._pass(f"after {name}")
        return answer

    async def _pass(self, name: str) -> None:
        await self._step(name)
        if not self._alive():
            await self._buried.wait()
            raise PbxUnreachable("simulated: the process was killed")
