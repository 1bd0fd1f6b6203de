"""Right and wrong uses of the typed core, for mypy alone: nothing here runs. A line that says `# wrong: <code>` must be
an error with that code, every other line must be none (`test_typed_core.py`)."""

from typing import assert_type

from actors.call.actor import CallActor
from actors.runtime.clock import Moment
from actors.runtime.commands import Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Decision
from actors.runtime.host import Host
from actors.runtime.service import serve
from actors.runtime.wire import Page
from actors.slot.actor import SlotActor
from actors.slot.machine import CommandDone, Configure, Remove, SlotDecision, Take, Taken
from actors.slot.record import SlotMemory
from bus_schemas.call import END_CALL, CallEnded, CallView, EndCall, GetCall
from bus_schemas.slot import SlotActivated, SlotDetails, SlotLinked


def view() -> CallView:
    raise NotImplementedError


class Commands:
    def end(self, request: EndCall, context: Context) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply=view())

    def end_later(self, request: EndCall, context: Context) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply=view)

    def wrong_request(self, request: GetCall, context: Context) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply=view())

    def wrong_reply(self, request: EndCall, context: Context) -> Outcome[str]:
        return Outcome(decision=NOTHING, reply="ended")

    def no_context(self, request: EndCall) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply=view())

    def wrong_inside(self, request: EndCall, context: Context) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply="ended")  # wrong: arg-type

    def wrong_inside_later(self, request: EndCall, context: Context) -> Outcome[CallView]:
        return Outcome(decision=NOTHING, reply=lambda: "ended")  # wrong: arg-type, return-value

    commands = by_verb(
        command(END_CALL, end),
        command(END_CALL, end_later),
        command(END_CALL, wrong_request),  # wrong: arg-type
        command(END_CALL, wrong_reply),  # wrong: arg-type
        command(END_CALL, no_context),  # wrong: arg-type
        command(END_CALL, "end"),  # wrong: arg-type
    )


class Served:
    async def end(self, request: EndCall, context: Context) -> CallView:
        return view()

    async def pass_on(self, request: EndCall, context: Context) -> Page:
        return Page(body=view())

    async def wrong_request(self, request: GetCall, context: Context) -> CallView:
        return view()

    async def wrong_reply(self, request: EndCall, context: Context) -> str:
        return "ended"


def services_answer_lines_with_what_they_name(of: Served) -> None:
    serve(END_CALL, of.end)
    serve(END_CALL, of.pass_on)
    serve(END_CALL, of.wrong_request)  # wrong: arg-type
    serve(END_CALL, of.wrong_reply)  # wrong: arg-type


class Orders:
    def take(self, order: Take, context: Context, now: Moment) -> Outcome[Taken]:
        raise NotImplementedError

    def remove(self, order: Remove, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=NOTHING, reply=None)

    orders = by_type(
        Take.by(take),
        Remove.by(remove),
        Take.by(remove),  # wrong: arg-type
        Remove.by(take),  # wrong: arg-type
    )


async def orders_are_answered_with_what_they_name(host: Host, take: Take, configure: Configure, c: Context) -> None:
    assert_type(await host.order(SlotActor, "1", take, c), Taken)
    assert_type(await host.order(SlotActor, "1", configure, c), SlotDetails)
    taken: Taken = await host.order(SlotActor, "1", configure, c)  # wrong: arg-type
    await host.order(SlotActor, "1", CommandDone, c)  # wrong: arg-type
    print(taken)


async def actors_are_found_by_their_class(host: Host, done: CommandDone) -> None:
    assert_type(host.get(CallActor, "c_1"), CallActor | None)
    assert_type(host.all(SlotActor), list[SlotActor])
    assert_type(await host.activate(SlotActor, "1"), SlotActor)
    host.tell(SlotActor, "1", done)
    host.tell(CallActor, "c_1", done)  # wrong: misc
    host.make(SlotActor, "1").tell(done)
    host.make(CallActor, "c_1").tell(done)  # wrong: arg-type
    SlotActor.made_by(lambda id, host: host.make(SlotActor, id))
    SlotActor.made_by(lambda id, host: host.make(CallActor, id))  # wrong: arg-type, return-value


def decisions_hold_events_and_memory_of_their_kind(
    up: SlotLinked, ended: CallEnded, live: SlotMemory
) -> list[SlotDecision]:
    return [
        NOTHING,
        Decision(events=(up,), memory=live),
        Decision(events=(ended,)),  # wrong: arg-type
        Decision(memory=up),  # wrong: arg-type
    ]


def an_actor_evolves_by_its_own_events(slot: SlotActor, activated: SlotActivated, ended: CallEnded) -> None:
    slot.evolve(slot.state, activated)
    slot.evolve(slot.state, ended)  # wrong: arg-type
