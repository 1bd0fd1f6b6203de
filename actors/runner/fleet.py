"""A step that acts on phones: on some slots at once, in the name of whoever began the run, never on one in a call. It
is asked of the slots over the bus, as anybody asks, so that all that holds for people holds for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from actors.pipeline import language as say
from actors.pipeline.language import OnFleet, Slots
from actors.runner.commands import Came
from actors.runner.desk import Desk
from actors.runner.on_slot import OnSlot, Session
from actors.runner.output import Output
from actors.runner.port import Artefact, RunnerError, Workspace
from actors.runner.rights import in_the_name_of
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.contract import Rpc
from bus_schemas.errors import Refusal
from bus_schemas.pipeline import ClaimedRun, SlotResult, StepStatus
from bus_schemas.slot import GET_SLOT, LIST_SLOTS, GetSlot, ListSlots, SlotStatus, SlotSummary

Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")
LONGEST_SAID = 300  # characters that are kept of a slot
NOT_THERE = "there is no such slot, or none that the run's user sees"
MOST_SAID = 40_000  # of all slots of a step: with JSON, a quarter of a megabyte at most


class Fleet:
    """The steps of one run that act on phones. `stop`: it is to end."""

    def __init__(self, desk: Desk, claimed: ClaimedRun, stop: asyncio.Event) -> None:
        self._desk = desk
        self._claimed = claimed
        self._stop = stop

    async def carry_out(self, step: OnFleet, output: Output, workspace: Workspace) -> Came:
        """All attempts of a step; of a second one, the slots on which it has not gone well. Raises RunnerError."""
        file = await _file(step, workspace)
        seen = await self._seen()
        slots = await self._slots(step.on, seen)
        results = {slot: SlotResult(slot=slot, ok=False, said=NOT_THERE) for slot in _missing(step.on, seen)}
        missing, whole = len(results), len(slots) + len(results)
        if not slots:
            return Came(status=StepStatus.FAILED, reason="no slot is there that it is for", slots=said_in_all(results))
        attempt = 0
        for attempt in range(1, step.retries + 2):
            left = [slot for slot in slots if slot.id not in results or not results[slot.id].ok]
            await output.say(f"attempt {attempt}: {len(left)} slots")
            if missing < step.stop_at:
                results |= await self._on_all(step, left, output, workspace, file, step.stop_at - missing)
            failed = sum(not result.ok for result in results.values())
            if self._stop.is_set() or not failed:
                break
        failed = sum(not result.ok for result in results.values())
        done = said_in_all(results)
        if self._stop.is_set():
            return Came(status=StepStatus.STOPPED, attempts=attempt, slots=done)
        words = f"{failed} of {whole} slots failed" if failed else None
        status = StepStatus.FAILED if failed >= step.stop_at else StepStatus.SUCCEEDED
        return Came(status=status, attempts=attempt, slots=done, reason=words)

    async def _on_all(
        self, step: OnFleet, slots: list[SlotSummary], output: Output, workspace: Workspace, file: Artefact | None,
        stop_at: int,
    ) -> dict[int, SlotResult]:  # fmt: skip
        results = dict[int, SlotResult]()
        gate = asyncio.Semaphore(step.at_once)

        async def one(slot: SlotSummary) -> None:
            async with gate:
                failed = sum(not result.ok for result in results.values())
                if self._stop.is_set() or failed >= stop_at:
                    return
                result = await self._on_one(step, slot, output, workspace, file)
                results[slot.id] = result
                await output.say(f"slot {slot.id}: {'ok' if result.ok else 'failed'}: {result.said}")

        async with asyncio.TaskGroup() as group:  # where one goes wrong inside, the others end with it
            for slot in slots:
                group.create_task(one(slot))
        return results

    async def _on_one(
        self, step: OnFleet, slot: SlotSummary, output: Output, workspace: Workspace, file: Artefact | None
    ) -> SlotResult:
        try:
            async with asyncio.timeout(step.timeout):
                context = await in_the_name_of(self._desk, self._claimed)
                session = Session(desk=self._desk, run=self._claimed, context=context, stop=self._stop)
                on = OnSlot(session, slot, step, dict(self._claimed.parameters), output, workspace, file)
                said = await _HOW[type(step)](on)
                return SlotResult(slot=slot.id, ok=True, said=workspace.mask(said)[:LONGEST_SAID])
        except (RunnerError, Refusal) as error:
            return SlotResult(slot=slot.id, ok=False, said=workspace.mask(str(error))[:LONGEST_SAID])
        except TimeoutError:
            return SlotResult(slot=slot.id, ok=False, said="its time is over")

    async def _seen(self) -> list[SlotSummary]:
        """The slots that the user sees. Raises RunnerError."""
        return await self._ask(LIST_SLOTS, ListSlots(limit=1000), await in_the_name_of(self._desk, self._claimed))

    async def _slots(self, wanted: Slots, seen: Sequence[SlotSummary]) -> list[SlotSummary]:
        """Those of them that a step is for, by number. Raises RunnerError."""
        context = await in_the_name_of(self._desk, self._claimed)
        found = [slot for slot in seen if _fits(slot, wanted)]
        if wanted.hub is not None:
            details = [await self._ask(GET_SLOT, GetSlot(slot=slot.id), context) for slot in found]
            on_hub = {each.id for each in details if each.config.hub == wanted.hub}
            found = [slot for slot in found if slot.id in on_hub]
        return sorted(found, key=lambda slot: slot.id)[: wanted.most]

    async def _ask(self, rpc: Rpc[Request, Reply], request: Request, context: Context) -> Reply:
        asking = Context(
            command_id=self._desk.ids.new(), user=context.user, actions=context.actions & rpc.needed
        )
        try:
            return await ask(self._desk.bus, rpc, request, asking)
        except Refusal as refusal:
            raise RunnerError(refusal.message) from None


async def _file(step: OnFleet, workspace: Workspace) -> Artefact | None:
    """The file of the workspace that a step puts on phones, as it is now. Raises RunnerError."""
    if not isinstance(step, say.InstallApk):
        return None
    collected = await workspace.collect([step.file])
    if len(collected.artefacts) == 1:
        return collected.artefacts[0]
    why = "; ".join(refused.reason for refused in collected.refused) or "it is several files"
    raise RunnerError(f"{step.file}: {why}")


def _missing(wanted: Slots, seen: Sequence[SlotSummary]) -> list[int]:
    """Slots that a step names and the user does not see."""
    return sorted(set(wanted.slots or ()).difference(slot.id for slot in seen))


def said_in_all(results: Mapping[int, SlotResult]) -> tuple[SlotResult, ...]:
    """What came of all slots, by their number: each says less where there are many, as all go into one message."""
    most = MOST_SAID // max(len(results), 1)
    return tuple(replace(results[slot], said=results[slot].said[:most]) for slot in sorted(results))


def _fits(slot: SlotSummary, wanted: Slots) -> bool:
    if wanted.slots is not None and slot.id not in wanted.slots:
        return False
    if wanted.user is not None and (slot.user or "") != wanted.user:
        return False
    return not wanted.online or slot.status is SlotStatus.ONLINE


_HOW: dict[type[OnFleet], Callable[[OnSlot], Awaitable[str]]] = {
    say.Adb: OnSlot.adb, say.RunScript: OnSlot.script, say.InstallApk: OnSlot.install, say.Reboot: OnSlot.reboot,
    say.Call: OnSlot.call,
}  # fmt: skip
