"""A runner that was killed leaves notes of what it was about to begin on phones: what is ended by them is its own. What
one that lives has begun, and waits for no more, it ends itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.runner import on_slot
from actors.runner.desk import Desk
from actors.runner.fleet import Fleet
from actors.runner.on_phones import CALL, SCRIPT, SLOT, Begun, OnPhones
from actors.runner.on_slot import OnSlot, Session
from actors.runner.port import RunnerError
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.service import Service, serve
from bus_schemas.call import END_CALL, START_CALL, EndCall, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.script import RUN_SCRIPT, STOP_RUN, RunScript, StopRun
from bus_schemas.slot import END_RESERVATION
from bus_schemas.slot_files import INSTALL_APP
from bus_schemas.user import IDENTIFY, Identify, Identity, LoginKind
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.attacks.test_rights_of_runs import RUN
from tests.support.whole import whole_site

AWAY = 60.0  # seconds for which nobody can end anything
LATE = 3  # looks until a call that was begun is there
SLOT_11: Any = SimpleNamespace(id=11)


async def test_a_slot_that_somebody_else_reserved_stays_theirs(tmp_path: Path) -> None:
    """It was noted, and then somebody else was faster: it waits for as long as the step has patience, and is killed."""
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        assert (await site.ask("POST", "/api/slots/11/reservation", {"minutes": 60}))[0] == 200
        phones, bus = OnPhones(tmp_path / "phones"), MemoryBus(site.broker)
        for user, kept in (("ann", "root"), ("root", None)):
            await phones.note(Begun(SLOT, "11"), user)
            await phones.end_left(bus, RandomIds())
            assert (await site.ask("GET", "/api/slots/11"))[1]["reserved_by"] == kept
            assert not [*(tmp_path / "phones").iterdir()]


async def test_a_step_gives_back_no_slot_that_is_somebody_elses_by_now(tmp_path: Path) -> None:
    """Its own reservation was ended by hand; its user may end those of others."""
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        assert (await site.ask("POST", "/api/slots/11/reservation", {"minutes": 60}))[0] == 200
        phones, nothing = OnPhones(tmp_path / "phones"), cast(Any, None)
        desk: Any = SimpleNamespace(bus=MemoryBus(site.broker), ids=RandomIds(), phones=phones)
        for user, kept in (("ann", "root"), ("root", None)):
            await phones.note(Begun(SLOT, "11"), user)
            context = Context(command_id="c", user=user, actions=frozenset(Action))
            await Session(desk=desk, run=nothing, context=context, stop=nothing).give_back(Begun(SLOT, "11"))
            assert (await site.ask("GET", "/api/slots/11"))[1]["reserved_by"] == kept
            assert not [*(tmp_path / "phones").iterdir()]


async def test_a_slot_is_kept_until_the_last_step_of_a_user_is_done_with_it(tmp_path: Path) -> None:
    """Two of one user's steps on it, and their reservation by hand: each had given back what was the others'."""
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        phones, bus, nothing = OnPhones(tmp_path / "phones"), MemoryBus(site.broker), cast(Any, None)
        desk: Any = SimpleNamespace(bus=bus, ids=RandomIds(), phones=phones, clock=SystemClock())

        async def rights(*_: object) -> Context:
            return Context(command_id="c", user="root", actions=frozenset(Action))

        session = Session(desk=desk, run=nothing, context=await rights(), stop=asyncio.Event())
        step, slot = SimpleNamespace(timeout=60.0, patience=0.0), SimpleNamespace(id=11)
        one, two = (OnSlot(session, cast(Any, slot), cast(Any, step), {}, nothing, nothing, None) for _ in range(2))

        async def kept() -> tuple[str | None, str | None]:
            now = (await site.ask("GET", "/api/slots/11"))[1]
            return now["reserved_by"], now["reserved_until"]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(on_slot, "in_the_name_of", rights)
            async with one._kept():
                async with two._kept():
                    assert len([*(tmp_path / "phones").iterdir()]) == 2
                assert (await kept())[0] == "root"
            assert await kept() == (None, None)
            assert (await site.ask("POST", "/api/slots/11/reservation", {"minutes": 60}))[0] == 200
            by_hand = await kept()
            async with one._kept():
                assert await kept() == by_hand
            assert await kept() == by_hand and not [*(tmp_path / "phones").iterdir()]
            for user in ("ann", "root"):  # what a killed runner has left of a step that was there is its own alone
                await phones.note(Begun(SLOT, "11.gone"), user)
                await phones.end_left(bus, RandomIds())
                assert await kept() == by_hand and not [*(tmp_path / "phones").iterdir()]
        print("1 user, 2 steps and a reservation by hand on one slot: each ended its own")


BEGINNINGS: dict[str, tuple[Any, Any, str, Any]] = {
    "a call": (START_CALL, StartCall(number="+380441234567", slot=11), "c", EndCall),
    "a script": (RUN_SCRIPT, RunScript(slot_id=11, script="call"), "gacs", StopRun),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_nobody_waits_for_any_more_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A step's time may be over while its call or script begins: nobody would end it."""
    asked = list[Any]()
    rpc, request, prefix, end = BEGINNINGS[name]

    async def ask(self: Session, rpc: Any, request: Any) -> None:
        asked.append(request)
        if len(asked) < LATE:
            raise Refusal(ErrorCode.NOT_FOUND, "There is none.")

    monkeypatch.setattr(Session, "ask", ask)
    command = run(lambda: _given_up(tmp_path, rpc, request), 1)
    print(f"{name}, given up while it began: asked {len(asked)} times to be ended")
    assert asked == [end(**{("call_id" if prefix == "c" else "script_id"): derived(prefix, "ann", command)})] * LATE
    assert not list((tmp_path / "phones").iterdir())


class _Asked:
    """Of a step, on one slot. Whatever it looks at is not there for a moment while it goes on, nor who ends it."""

    def __init__(self, folder: Path, begun: Begun) -> None:
        self.asked = list[str]()
        self._begun = begun
        self._phones = OnPhones(folder / "phones")
        self.desk: Any = SimpleNamespace(phones=self._phones)
        self.pause = asyncio.sleep

    async def once_free(self, *wanted: Any) -> Any:
        await self._phones.note(self._begun, "ann")
        return SimpleNamespace(call_id=self._begun.id, script_id=self._begun.id)

    async def ask(self, rpc: Any, request: Any) -> Any:
        self.asked.append(type(request).__name__)
        if len(self.asked) < LATE + 1:
            raise Refusal(ErrorCode.UNAVAILABLE, "Nobody is there to do this now.")
        return SimpleNamespace(state="ended")

    end = Session.end
    _end_later = Session._end_later


@pytest.mark.parametrize("kind", [CALL, SCRIPT])
def test_what_cannot_be_looked_at_any_more_is_ended(tmp_path: Path, kind: str) -> None:
    """Its host, or that of the records, is being started anew: nobody would end it."""

    async def scenario() -> list[str]:
        nothing: Any = None
        session = _Asked(tmp_path, Begun(kind, "x"))
        step = SimpleNamespace(number="1", script="s", params={}, patience=0)
        on = OnSlot(cast(Any, session), SLOT_11, cast(Any, step), {}, nothing, nothing, None)
        with pytest.raises(Refusal):
            await (on.call() if kind == CALL else on.script())
        return session.asked

    asked = run(scenario, 1)
    looks, ends = ("GetCall", "EndCall") if kind == CALL else ("GetRun", "StopRun")
    print(f"a {kind} that cannot be looked at: asked {asked.count(ends)} times to be ended")
    assert asked[: LATE + 1] == [looks, *[ends] * LATE] and not list((tmp_path / "phones").iterdir())


ENDED: dict[str, tuple[Any, str, str]] = {
    CALL: (END_CALL, "call_id", "x"), SCRIPT: (STOP_RUN, "script_id", "x"), SLOT: (END_RESERVATION, "slot", "11.x"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENDED)
@pytest.mark.parametrize("seconds", [5.0, 60.0])
def test_what_cannot_be_ended_for_a_while_is_ended_then(tmp_path: Path, kind: str, seconds: float) -> None:
    """Its host, or the bus, is away for longer than a step waits, whose own time may be over meanwhile."""
    rpc, field, id = ENDED[kind]
    ended = list[float]()

    async def scenario() -> None:
        clock = SimClock(cast(SimLoop, asyncio.get_running_loop()))
        broker = MemoryBroker(clock=clock)

        async def end(request: Any, context: Context) -> Any:
            if (now := clock.monotonic()) < AWAY:
                raise Refusal(ErrorCode.UNAVAILABLE if now < AWAY / 2 else ErrorCode.INTERNAL, "Not now.")
            ended.append(now)
            raise Refusal(ErrorCode.NOT_FOUND, "It is over.")

        await Service(bus=MemoryBus(broker), queue="", handlers=(serve(rpc, end),), fields={field: "*"}).start()
        phones, nothing = OnPhones(tmp_path / "phones"), cast(Any, None)
        desk: Any = SimpleNamespace(phones=phones, bus=MemoryBus(broker), ids=CountedIds("r"))
        context = Context(command_id="c", user="ann", actions=frozenset(Action))
        session = Session(desk=desk, run=nothing, context=context, stop=nothing)
        await phones.note(Begun(kind, id), "ann")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (session.give_back if kind == SLOT else session.end)(Begun(kind, id))
        await asyncio.sleep(2 * AWAY)
        await phones.stop()

    run(scenario, 1)
    print(f"a {kind} whose host is away for {AWAY:g} s: asked {len(ended)} times to end that was heard")
    assert len(ended) == 1 and not list((tmp_path / "phones").iterdir())


RESERVED: dict[str, tuple[BaseException, bool]] = {  # what is heard of a reservation, and whether it may be there
    "no answer": (Refusal(ErrorCode.TIMEOUT, "No answer in time."), True),
    "nobody waits": (asyncio.CancelledError(), True),
    "another's": (Refusal(ErrorCode.SLOT_BUSY, "Somebody else has reserved the slot."), False),
    "stopped": (RunnerError("it was stopped"), False),
}


@pytest.mark.parametrize("heard", RESERVED)
async def test_a_slot_that_may_be_reserved_is_given_back(tmp_path: Path, heard: str) -> None:
    """Nobody knows whether it was: it would be out of use for as long as its step may take."""
    error, maybe = RESERVED[heard]
    given, phones, nothing = list[Begun](), OnPhones(tmp_path / "phones"), cast(Any, None)

    async def note(begun: Begun) -> None:
        await phones.note(begun, "ann")

    async def once_free(*wanted: Any) -> None:
        raise error

    async def give_back(begun: Begun) -> None:
        given.append(begun)
        phones.over(begun)

    desk = SimpleNamespace(clock=SystemClock(), phones=phones, ids=CountedIds("l"))
    session: Any = SimpleNamespace(
        desk=desk, context=Context(command_id="c", user="ann"), note=note, once_free=once_free, give_back=give_back
    )
    step = SimpleNamespace(timeout=60.0, patience=0.0)
    on = OnSlot(session, SLOT_11, cast(Any, step), {}, nothing, nothing, None)
    with pytest.raises(type(error)):
        async with on._kept():
            pass
    print(f"a reservation of which is heard: {heard}: asked {len(given)} times to end")
    assert given == [Begun(SLOT, "11.l000001")] * maybe and not list((tmp_path / "phones").iterdir())


def test_a_slot_is_kept_until_what_is_installed_there_is(tmp_path: Path) -> None:
    """The step's time is over meanwhile: somebody's call would begin in the middle of it."""
    seen = list[str]()

    async def scenario() -> None:
        async def begin(rpc: Any, request: Any) -> Any:
            if rpc is INSTALL_APP:
                await asyncio.sleep(AWAY)
                seen.append("installed")
            return SimpleNamespace(stream="s")

        async def asked(*_: Any) -> Any:
            return SimpleNamespace(call_id=None, external_call=False)

        async def give_back(begun: Begun) -> None:
            seen.append("given back")

        async def read(file: Any) -> AsyncIterator[bytes]:
            yield b"apk"

        clock = SimClock(cast(SimLoop, asyncio.get_running_loop()))
        session = SimpleNamespace(
            desk=SimpleNamespace(clock=clock, ids=CountedIds("l")), note=asked, once_free=asked, ask=asked,
            give_back=give_back, begin=begin, stop=asyncio.Event(),
        )  # fmt: skip
        step, file = SimpleNamespace(timeout=5.0, patience=0.0, grant=False), SimpleNamespace(size=3, name="a.apk")
        parts: Any = (session, SLOT_11, step, {}, None, SimpleNamespace(read=read), file)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await OnSlot(*parts).install()

    run(scenario, 1)
    print(f"a step of 5 s that installs for {AWAY:g} s: {', '.join(seen)}")
    assert seen == ["installed", "given back"]


async def test_a_step_that_goes_wrong_leaves_no_slot_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has failed by then, and its run may be over: nobody would wait for what goes on on the others."""
    on = list[int]()

    async def on_one(self: Fleet, step: Any, slot: Any, *parts: Any) -> Any:
        on.append(slot.id)
        try:
            await asyncio.sleep(60 if slot.id == 11 else 0.01)
            raise OSError("the disk is gone")
        finally:
            on.remove(slot.id)

    monkeypatch.setattr(Fleet, "_on_one", on_one)
    nothing, step = cast(Any, None), cast(Any, SimpleNamespace(at_once=2))
    slots = [SLOT_11, cast(Any, SimpleNamespace(id=12))]
    with pytest.raises((OSError, ExceptionGroup)):
        await Fleet(nothing, RUN, asyncio.Event())._on_all(step, slots, nothing, nothing, None, 1)
    print(f"a step that went wrong on one of {len(slots)} slots: it goes on on {len(on)}")
    assert not on


@pytest.mark.parametrize("name", BEGINNINGS)
def test_nothing_begins_once_a_run_is_to_end(tmp_path: Path, name: str) -> None:
    """It may be stopped, or somebody else's by now, while it is asked in whose name it acts."""
    rpc, request, *_ = BEGINNINGS[name]
    begun = run(lambda: _stopped_meanwhile(tmp_path, rpc, request), 1)
    print(f"{name} of a run that is stopped meanwhile: begun {begun} times")
    assert begun == 0 and not list(tmp_path.glob("phones/*"))


async def _given_up(folder: Path, rpc: Any, request: Any) -> str:
    """A step whose call or script begins for longer than it has time. The command that this was."""
    session, commands = await _session(folder, rpc, stops=False)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await session.begin(rpc, request)
    return commands[0]


async def _stopped_meanwhile(folder: Path, rpc: Any, request: Any) -> int:
    """A step whose run is stopped while its right is asked for: how often something was begun for it."""
    session, commands = await _session(folder, rpc, stops=True)
    with pytest.raises(RunnerError, match="stopped"):
        await session.begin(rpc, request)
    return len(commands)


async def _session(folder: Path, rpc: Any, *, stops: bool) -> tuple[Session, list[str]]:
    """Of a step, and the commands that begin something, which takes 3 s. `stops`: its run, while its right is asked
    for."""
    clock, commands = SimClock(cast(SimLoop, asyncio.get_running_loop())), list[str]()
    broker, stop = MemoryBroker(clock=clock), asyncio.Event()

    async def identify(request: Identify, context: Context) -> Identity:
        if stops:
            stop.set()
        return Identity(
            kind=LoginKind.CONNECTION, id="ann", user="ann", role="r", actions=sorted(Action), expires_at=None
        )

    async def start(request: Any, context: Context) -> Any:
        commands.append(context.command_id)
        await asyncio.sleep(3)

    handlers = (serve(IDENTIFY, identify), serve(rpc, start))
    await Service(bus=MemoryBus(broker), queue="", handlers=handlers).start()
    nothing: Any = None
    desk = Desk(
        bus=MemoryBus(broker), clock=clock, ids=CountedIds("r"), executor=nothing, name="r", secret=lambda name: None,
        repository=str, lost_after=30.0, phones=OnPhones(folder / "phones"), view=nothing,
    )  # fmt: skip
    return Session(desk=desk, run=RUN, context=Context(command_id="c", user="ann"), stop=stop), commands
