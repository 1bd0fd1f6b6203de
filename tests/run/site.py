"""A site in simulated time whose phones have screens: hosts that can be killed at any step, phones that go on."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace as with_fields

from actors.run.settings import Scripts
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.wire import ask
from bus_schemas.call import CALL_ENDED, CallDialing, CallEnded
from bus_schemas.contract import Rpc, kind_of, verb_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.script import GET_RUN, RUN_SCRIPT, GetRun, RunEnded, RunScript, RunView, ScriptStarted
from bus_schemas.user import IDENTIFY, Identify, Identity
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.screens import Screens
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.world import Life, World

ALL = frozenset(
    {*EVERYTHING, "script.view", "script.view_any", "script.run", "script.stop_any", "script.ussd", "slot.apps",
     "slot.configure"}
)  # fmt: skip
SHORT, LONG = "+380631110006", "+380671110007"  # answers and hangs up after three seconds; answers at once, and stays
Answer = TypeVar("Answer")


class RunSite:
    """`screens`: of slot 1. `steps`: of host a, once somebody counts. `rights`: of users, by name, of others all; None:
    deleted. `answers`: somebody can say it now."""

    def __init__(self, world: World, screens: Screens) -> None:
        self.world = world
        self.screens = screens
        self.rights: dict[str, frozenset[str] | None] = {}
        self.answers = True
        self.steps = 0
        self.kill_at: int | None = None
        self.killed: str | None = None
        step = world._step

        async def counted(life: Life, name: str) -> None:
            await step(life, name)
            of_run = "OTTB_OWN" not in name and "tel.host" not in name
            if life.machine.id == "a" and self.kill_at is not None and of_run:
                self.steps += 1
                if self.steps == self.kill_at and self.killed is None:
                    self.killed = name
                    world.crash(life)
                    await asyncio.sleep(0.0)

        world._step = counted  # type: ignore[method-assign]  # the world has no ear of its own for each step

    async def know_users(self) -> None:
        """Say who users are, as POINT does."""
        lines = (serve(IDENTIFY, self._identify),)
        await Service(bus=self.world.gateways[1], queue="", handlers=lines).start()

    async def _identify(self, request: Identify, context: Context) -> Identity:
        if not self.answers:
            raise Refusal(ErrorCode.UNAVAILABLE, "Nobody is there to do this now. Try again.")
        rights = self.rights.get(request.id, ALL)
        if rights is None:
            raise Refusal(ErrorCode.AUTH_FAIL, "The session has ended.")
        actions = sorted(Action(right) for right in rights)
        return Identity(
            kind=request.kind, id=request.id, user=request.id, role="r", actions=actions, expires_at=None
        )

    async def ask(self, rpc: Rpc[Any, Answer], request: Any, id: str = "one", user: str = "op") -> Answer:
        context = Context(command_id=id, user=user, actions=ALL)
        return await ask(self.world.gateways[0], rpc, request, context)

    async def begin(
        self, script: str, id: str = "one", *, queue: bool = False, slot: int = 1, user: str = "op", **params: Any
    ) -> str:
        wanted = RunScript(slot_id=slot, script=script, params=params, queue=queue)
        started: ScriptStarted = await self.ask(RUN_SCRIPT, wanted, id, user)
        return started.script_id

    async def view(self, script_id: str) -> RunView:
        return await self.ask(GET_RUN, GetRun(script_id=script_id), f"view-{self.world.now}")

    async def over(self, script_id: str, seconds: float = 200.0) -> RunView:
        """The run once it is over."""
        until = self.world.now + seconds
        while True:
            seen = await self.view(script_id)
            if seen.ended is not None:
                return seen
            assert self.world.now < until, seen
            await asyncio.sleep(0.5)

    def events(self, kind: str) -> list[tuple[str, bytes]]:
        """Verb and data of what is on record of a kind."""
        return [
            (verb_of(one.subject), one.data) for one in self.world.broker.journal if kind_of(one.subject) == kind
        ]

    def ends(self) -> list[RunEnded]:
        return [msgspec.json.decode(data, type=RunEnded) for verb, data in self.events("script") if verb == "ended"]

    def calls(self) -> dict[str, list[CallEnded]]:
        """Each call on record, and its ends."""
        found: dict[str, list[CallEnded]] = {}
        for verb, data in self.events("call"):
            if verb == "dialing":
                found[msgspec.json.decode(data, type=CallDialing).call_id] = []
            elif verb == CALL_ENDED.verb:
                over = msgspec.json.decode(data, type=CallEnded)
                found[over.call_id].append(over)
        return found

    def did(self, *what: str) -> list[tuple[str, str]]:
        """The phone's log."""
        return [(line.where, line.data) for line in self.screens.log if line.what in what]


def play(
    story: Callable[[RunSite], Awaitable[None]], *, seed: int = 1, troubles: dict[str, float] | None = None,
    slots: tuple[int, ...] = (1, 2, 3), ussd: tuple[str, ...] = (), scripts: Path | None = None,
) -> None:  # fmt: skip
    """A story on such a site, once it serves. `ussd`: the service codes that it allows. `scripts`: a folder of its own
    scripts."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
        given = {slot: world.phone(slot).give_screens(Profile(), seed=seed) for slot in slots}
        for screens in given.values():
            screens.troubles = replace(screens.troubles, **(troubles or {}))
        for machine in world.machines:
            machine.settings = with_fields(machine.settings, scripts=Scripts(ussd=ussd, folder=str(scripts or "")))
            world.keep(machine)
        await asyncio.sleep(4.0)
        site = RunSite(world, given[1])
        await site.know_users()
        await story(site)
        await world.stop()
        assert not world.broken, world.broken

    with tempfile.TemporaryDirectory() as folder:
        run(main, seed)
