"""Taps, swipes, texts and keys of people. Each looks first, and the next one waits for it."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from actors.by_hand import fingers
from actors.by_hand.places import Place, Places
from actors.by_hand.recordings import Recordings
from actors.by_hand.streams import refusal_of
from actors.runtime.context import Context
from actors.runtime.patience import turn
from actors.script.effects import Back, Done, Dump, InputText, Looked, NotDone, PressAt, PressKey, SwipeOver, TapAt
from actors.script.language import KEYS
from actors.script.steps import BLIND
from actors.script.tree import Crashed, Seen, Tree
from actors.slot.phone import PhoneError
from actors.slot.screen import OnScreen
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.slot_screen import PressKeyOnScreen, SwipeScreen, TapScreen, Touched, TypeOnScreen

Request = TypeVar("Request", TapScreen, SwipeScreen, TypeOnScreen, PressKeyOnScreen)

Line = Callable[[Request, Context], Awaitable[Touched]]

TURN_SECONDS = 15.0  # that somebody waits for what is done before
NOT_READ = "The phone's screen cannot be read now, so nobody knows what would be touched"
REMEMBERED = 1_000  # commands of one host, of which a repeat is known
SENT = RefusalTemplate(
    ErrorCode.TIMEOUT, "It may have been sent to the phone before, and nobody knows what came of it."
)
WAIT = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Something else is done on this screen. Wait.", rule="one_hand", retry_after=2
)


class Hands:
    """The contract lines of those who touch."""

    def __init__(self, places: Places, recordings: Recordings) -> None:
        self._places = places
        self._recordings = recordings
        self._turns: dict[int, asyncio.Lock] = {}  # by slot
        self._came: OrderedDict[str, None] = OrderedDict()  # commands
        self._sent: OrderedDict[str, Touched | None] = OrderedDict()  # by command; None: nobody knows what came of it

    def once(self, line: Line[Request]) -> Line[Request]:
        """The same line, of which a repeat is given what came of the first: nothing is touched twice."""

        async def answered(request: Request, context: Context) -> Touched:
            known = self._sent.get(context.command_id)
            if known is not None:
                return known
            if context.again and context.command_id not in self._came:
                raise SENT()  # to who had this slot before, who may have touched it
            self._came[context.command_id] = None
            if len(self._came) > REMEMBERED:
                self._came.popitem(last=False)
            return await line(request, context)

        return answered

    async def tap(self, request: TapScreen, context: Context) -> Touched:
        """TAP_SCREEN."""
        async with self._turn(request.slot, context) as place:
            tree = await self._screen(place)
            await _must_be_on(place, tree, ("x", request.x), ("y", request.y))
            _may(fingers.of_point(tree, request.x, request.y), "x")
            at = {"x": request.x, "y": request.y}
            effect = TapAt(**at) if request.seconds is None else PressAt(**at, seconds=request.seconds)
            await self._do(place, effect, context)
            node = fingers.pressed(tree, request.x, request.y) or next(iter(fingers.under(tree, **at)), None)
            return await self._touched(request, context, tree, fingers.called(node, tree))

    async def swipe(self, request: SwipeScreen, context: Context) -> Touched:
        """SWIPE_SCREEN. A short one is a tap, so where it begins and ends is looked at as for one."""
        async with self._turn(request.slot, context) as place:
            tree = await self._screen(place)
            await _must_be_on(place, tree, ("x", request.x), ("y", request.y))
            await _must_be_on(place, tree, ("to_x", request.to_x), ("to_y", request.to_y))
            _may(fingers.of_point(tree, request.x, request.y), "x")
            _may(fingers.of_point(tree, request.to_x, request.to_y), "to_x")
            way = SwipeOver(
                x=request.x, y=request.y, to_x=request.to_x, to_y=request.to_y, seconds=request.seconds
            )
            await self._do(place, way, context)
            return await self._touched(request, context, tree, None)

    async def type(self, request: TypeOnScreen, context: Context) -> Touched:
        """TYPE_ON_SCREEN."""
        if "\0" in request.text:
            raise misfit("text", "there is a NUL in it, which nothing types.")
        async with self._turn(request.slot, context) as place:
            tree = await self._screen(place)
            _may(fingers.of_cursor(tree), "text")
            typed = InputText(text=request.text, secret=True)  # whoever types by hand says no log what
            await self._do(place, typed, context)
            return await self._touched(request, context, tree, fingers.called(fingers.focused(tree), tree))

    async def key(self, request: PressKeyOnScreen, context: Context) -> Touched:
        """PRESS_KEY."""
        async with self._turn(request.slot, context) as place:
            tree = None
            if request.key not in BLIND:
                tree = await self._screen(place)
                _may(fingers.of_cursor(tree), "key")
            await self._do(place, PressKey(code=KEYS[request.key]), context)
            return await self._touched(request, context, tree, None)

    # --- inside

    async def _touched(self, request: Request, context: Context, tree: Tree | None, on: str | None) -> Touched:
        recorded = await self._recordings.note(request, tree, context)
        touched = Touched(status="done", slot=request.slot, on=on, recorded=recorded)
        self._sent[context.command_id] = touched
        return touched

    async def _do(self, place: Place, effect: OnScreen, context: Context) -> None:
        """Have the phone do it, once for each command. The screen was read meanwhile, which takes up to a minute, so it
        is asked again who has the slot. Raises Refusal."""
        self._places.held(place.id, context)
        if context.command_id in self._sent:
            raise SENT()
        self._sent[context.command_id] = None
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        done = await place.carry_out(effect)
        if isinstance(done, NotDone) and done.maybe:
            raise Refusal(ErrorCode.TIMEOUT, f"Nobody knows whether the phone did it: {done.why}", slot=place.id)
        if not isinstance(done, Done):
            self._sent.pop(context.command_id, None)
            why = done.why if isinstance(done, NotDone) else "nothing came back"
            raise Refusal(ErrorCode.CONFLICT, f"The phone did not do it: {why}", slot=place.id)

    @asynccontextmanager
    async def _turn(self, slot: int, context: Context) -> AsyncIterator[Place]:
        """One hand on a screen at a time: what was looked at is what is touched. Raises Refusal."""
        self._places.held(slot, context)
        lock = self._turns.setdefault(slot, asyncio.Lock())
        async with turn(lock, TURN_SECONDS, WAIT):
            try:
                yield self._places.held(slot, context)  # as it is by now
            except PhoneError as error:
                raise refusal_of(error) from None

    async def _screen(self, place: Place) -> Tree:
        """What is on it now. Raises Refusal."""
        why = ""
        for compressed in (False, True):
            looked = await place.carry_out(Dump(compressed=compressed))
            if isinstance(looked, Looked) and isinstance(looked.screen, Seen):
                return looked.screen.tree
            why = _said(looked)
        raise Refusal(ErrorCode.CONFLICT, f"{NOT_READ} ({why}).", slot=place.id)


def _said(looked: Back) -> str:
    """What was wrong with a screen that was not to be had."""
    if not isinstance(looked, Looked):
        return str(looked)
    kind = type(looked.screen).__name__
    return f"{kind}: {looked.screen.said}" if isinstance(looked.screen, Crashed) else kind


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
