"""What is being recorded: of each slot one thing at a time, of one user, in the memory of its host."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.by_hand import draft
from actors.by_hand.places import Place, Places
from actors.runtime.context import Context
from actors.script.tree import Tree
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.permissions import Action
from bus_schemas.slot_screen import Recorded, StartRecording, StopRecording

MOST_STEPS = 90  # a list of steps of a script has a hundred
MANY = 500  # things on a screen: among more of them, names are looked for beside this thread
LONGEST = 3600.0  # seconds
ALL = 256  # of one host

NONE = RefusalTemplate(ErrorCode.NOT_FOUND, "Nothing of yours is being recorded on this slot.")


@dataclass
class Recording:
    """One of them. `began`: monotonic seconds."""

    user: str
    began: float
    steps: list[draft.Step] = field(default_factory=list)
    app: str | None = None
    looked: bool = False


class Recordings:
    """The recordings of one host. `now`: monotonic seconds."""

    def __init__(self, places: Places, now: Callable[[], float]) -> None:
        self._places = places
        self._now = now
        self._running: dict[int, Recording] = {}

    async def start(self, request: StartRecording, context: Context) -> Recorded:
        """START_RECORDING. Again it changes nothing. Whoever has reserved the slot needs not wait for one of before."""
        place = self._places.held(request.slot, context)
        running = self._of(place.id)
        if running is not None and running.user != context.user and not _keeps(place, context.user):
            raise Refusal(ErrorCode.SLOT_BUSY, "Somebody else records on this slot.", slot=place.id)
        if running is None or running.user != context.user:
            if running is None and len(self._running) >= ALL:
                raise Refusal(ErrorCode.RATE_LIMITED, "Too much is being recorded.", rule="recordings", retry_after=60)
            running = self._running[place.id] = Recording(context.user, self._now())
        return Recorded(status="recording", slot=place.id, steps=len(running.steps))

    async def stop(self, request: StopRecording, context: Context) -> Recorded:
        """STOP_RECORDING. Also of a phone that has gone. What is in others' recordings is not told."""
        running = self._of(request.slot)
        if running is None or (running.user != context.user and not context.may(Action.SLOT_RESERVE_ANY)):
            raise NONE()
        del self._running[request.slot]
        if running.user != context.user:
            return Recorded(status="ended", slot=request.slot, steps=len(running.steps))
        unsure = tuple(number for number, made in enumerate(running.steps, 1) if made.unsure is not None)
        script = None
        if running.steps:
            summary = f"What was done by hand on slot {request.slot}."
            script = draft.script(running.steps, name="draft", summary=summary, app=running.app)
        return Recorded(
            status="recorded", slot=request.slot, steps=len(running.steps), script=script, unsure=unsure
        )

    async def note(self, asked: draft.Asked, tree: Tree | None, context: Context) -> int | None:
        """Keep what was done, if it is being recorded: as which step. None: it is not. One at a time for a slot."""
        running = self._of(asked.slot)
        if running is None or running.user != context.user or len(running.steps) >= MOST_STEPS:
            return None
        if tree is not None and not running.looked:
            running.looked, running.app = True, draft.begins_in(tree)
        number = len(running.steps) + 1
        if tree is not None and len(tree.nodes) > MANY:
            made = await asyncio.to_thread(draft.step, asked, tree, number)
        else:
            made = draft.step(asked, tree, number)
        if self._of(asked.slot) is not running:
            return None  # it was stopped meanwhile
        running.steps.append(made)
        return number

    def _of(self, slot: int) -> Recording | None:
        running = self._running.get(slot)
        if running is not None and self._now() - running.began > LONGEST:
            del self._running[slot]
            return None
        return running


def _keeps(place: Place, user: str) -> bool:
    """Whether it is reserved for this user, so that nobody else does anything there."""
    return place.slot.reservation is not None and place.slot.reservation.user == user
