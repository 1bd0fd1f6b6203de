"""Taps, swipes, texts and keys of people. Each looks first, and the next one waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from actors.by_hand import fingers
from actors.by_hand.places import Place, Places
from actors.by_hand.recordings import Recordings
from actors.by_hand.streams import refusal_of
from actors.runtime.context import Context
from actors.script.effects import Done, Dump, InputText, Looked, NotDone, PressAt, PressKey, SwipeOver, TapAt
from actors.script.language import KEYS
from actors.script.steps import BLIND
from actors.script.tree import Seen, Tree
from actors.slot.phone import PhoneError
from actors.slot.screen import OnScreen
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.slot_screen import PressKeyOnScreen, SwipeScreen, TapScreen, Touched, TypeOnScreen

Request = TypeVar("Request", TapScreen, SwipeScreen, TypeOnScreen, PressKeyOnScreen)

TURN_SECONDS = 15.0  # that somebody waits for what is done before
NOT_READ = "The phone's screen cannot be read now, so nobody knows what would be touched"
WAIT = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Something else is done on this screen. Wait.", rule="one_hand", retry_after=2
)


class Hands:
    """The contract lines of those who touch."""

    def __init__(self, places: Places, recordings: Recordings) -> None:
        self._places = places
        self._recordings = recordings
        self._turns: dict[int, asyncio.Lock] = {}  # by slot

    async def tap(self, request: TapScreen, context: Context) -> Touched:
        """TAP_SCREEN."""
        async with self._turn(request.slot, context) as place:
            tree = await self._screen(place)
            await _must_be_on(place, tree, ("x", request.x), ("y", request.y))
            _may(fingers.of_point(tree, request.x, request.y), "x")
            at = {"x": request.x, "y": request.y}
            effect = TapAt(**at) if request.seconds is None else PressAt(**at, seconds=request.seconds)
            await _do(place, effect)
            node = fingers.pressed(tree, request.x, request.y) or next(iter(fingers.under(tree, **at)), None)
            return self._touched(request, context, tree, fingers.called(node, tree))

    async def swipe(self, request: SwipeScreen, context: Context) -> Touched:
        """SWIPE_SCREEN. A short one is a tap, so where it begins and ends is looked at as for one."""
        async with self._turn(request.slot, context) as place:
            tree = await self._screen(place)
            await _must_be_on(place, tree, ("x", request.x), ("y", request.y))
            await _must_be_on(place, tree, ("to_x", request.to_x), ("to_y", request.to_y))
            _may(fingers.of_point(tree, request.x, request.y), "x")
            _may(fingers.of_point(tree, request.to_x, request.to_y), "to_x")
            await _do(place, SwipeOver(
                x=request.x, y=request.y, to_x=request.to_x, to_y=request.to_y, seconds=request.seconds
            ))  # fmt: skip
            return self._touched(request, context, tree, None)

    async def type(self, request: TypeOnScreen, context: Context) -> Touched:
        """TYPE_ON_SCREEN."""
        async with self._turn(request.slot, context) as place:
            tree = await self._screen(place)
            _may(fingers.of_cursor(tree), "text")
            await _do(place, InputText(text=request.text, secret=True))  # whoever types by hand says no log what
            return self._touched(request, context, tree, fingers.called(fingers.focused(tree), tree))

    async def key(self, request: PressKeyOnScreen, context: Context) -> Touched:
        """PRESS_KEY."""
        async with self._turn(request.slot, context) as place:
            tree = None
            if request.key not in BLIND:
                tree = await self._screen(place)
                _may(fingers.of_cursor(tree), "key")
            await _do(place, PressKey(code=KEYS[request.key]))
            return self._touched(request, context, tree, None)

    # --- inside

    def _touched(self, request: Request, context: Context, tree: Tree | None, on: str | None) -> Touched:
        recorded = self._recordings.note(request, tree, context)
        return Touched(status="done", slot=request.slot, on=on, recorded=recorded)

    @asynccontextmanager
    async def _turn(self, slot: int, context: Context) -> AsyncIterator[Place]:
        """One hand on a screen at a time: what was looked at is what is touched. Raises Refusal."""
        self._places.held(slot, context)
        lock = self._turns.setdefault(slot, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await lock.acquire()
        except TimeoutError:
            raise WAIT() from None
        try:
            yield self._places.held(slot, context)  # as it is by now
        except PhoneError as error:
            raise refusal_of(error) from None
        finally:
            lock.release()

    async def _screen(self, place: Place) -> Tree:
        """What is on it now. Raises Refusal."""
        why = ""
        for compressed in (False, True):
            looked = await place.actor.screen.carry_out(Dump(compressed=compressed))
            if isinstance(looked, Looked) and isinstance(looked.screen, Seen):
                return looked.screen.tree
            why = type(looked.screen).__name__ if isinstance(looked, Looked) else str(looked)
        raise Refusal(ErrorCode.CONFLICT, f"{NOT_READ} ({why}).", slot=place.id)


async def _do(place: Place, effect: OnScreen) -> None:
    done = await place.actor.screen.carry_out(effect)
    if isinstance(done, Done):
        return
    why = done.why if isinstance(done, NotDone) else "nothing came back"
    maybe = isinstance(done, NotDone) and done.maybe
    code = ErrorCode.TIMEOUT if maybe else ErrorCode.CONFLICT
    raise Refusal(code, f"The phone did not do it{', or nobody knows' if maybe else ''}: {why}", slot=place.id)


def _may(why: str | None, field: str) -> None:
    if why is not None:
        raise misfit(field, f"{why}. POST /api/call/start places calls.")


async def _must_be_on(place: Place, tree: Tree, across: tuple[str, int], down: tuple[str, int]) -> None:
    """The app's window may be all of the screen but what is above and below it. Raises Refusal, PhoneError."""
    if tree.screen.has(across[1], down[1]):
        return
    width, height = await place.actor.screen.size()
    for (field, at), whole in ((across, width), (down, height)):
        if at >= whole:
            raise misfit(field, f"the screen has {width} x {height} pixels.")
