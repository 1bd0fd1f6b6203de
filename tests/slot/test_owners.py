"""Whose things an event is about, as the actors write it: in the journal, on the feeds, with figures."""

import asyncio
import json
from pathlib import Path

from actors.runtime.bus import Message
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import END_CALL, START_CALL, EndCall, StartCall
from bus_schemas.kinds import OWNERS_HEADER
from bus_schemas.slot import CONFIGURE_SLOT, ConfigureSlot
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.world.callers import EVERYTHING
from simulators.world.world import World
from tests.slot.test_claims import in_world


def context(id: str, user: str) -> Context:
    return Context(command_id=id, user=user, actions=EVERYTHING)


def owners(world: World, subject: str) -> list[object]:
    """Whose the events of a subject are about, in their order."""
    return [
        json.loads(entry.headers.get(OWNERS_HEADER, "null"))
        for entry in world.broker.journal
        if entry.subject.startswith(subject)
    ]


async def give(world: World, user: str | None, id: str) -> None:
    request = ConfigureSlot(slot=1, serial="phone1", user=user, region="UA")
    await ask(world.gateways[0], CONFIGURE_SLOT, request, context(id, "admin"))


def test_a_slot_that_changes_hands_is_told_to_both(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        said: list[tuple[str, str]] = []

        async def hear(message: Message) -> None:
            said.append((message.subject, message.headers.get(OWNERS_HEADER, "")))

        for subject in ("ottb.v1.own.>", "ottb.v1.shared.evt.slot.>", "ottb.v1.tel.slot.1"):
            await world.gateways[0].subscribe(subject, hear)
        await give(world, "op1", "k1")
        await give(world, "op2", "k2")
        world.phone(1).ring("+380631234567")  # a call of its own is news of its figures
        await asyncio.sleep(2.0)
        configured = owners(world, "ottb.v1.evt.slot.1.configured")
        assert configured[-2:] == [{"slot": [None, "op1"]}, {"slot": ["op1", "op2"]}]
        feeds = [subject for subject, _ in said if subject.endswith("evt.slot.1.configured")]
        assert feeds == [
            "ottb.v1.shared.evt.slot.1.configured", "ottb.v1.own.op1.evt.slot.1.configured",
            "ottb.v1.own.op1.evt.slot.1.configured", "ottb.v1.own.op2.evt.slot.1.configured",
        ]  # fmt: skip
        figures = [(subject, whose) for subject, whose in said if ".tel.slot.1" in subject]
        assert ("ottb.v1.tel.slot.1", '{"slot":["op2"]}') in figures
        assert "ottb.v1.own.op2.tel.slot.1" in {subject for subject, _ in figures}

    in_world(tmp_path, story)


def test_a_call_is_its_users_and_takes_a_slot_that_is_somebody_elses(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await give(world, "op1", "k1")
        request = StartCall(number="+380501114567", slot=1)
        started = await ask(world.gateways[0], START_CALL, request, context("k2", "boss"))
        await asyncio.sleep(3.0)
        await ask(world.gateways[0], END_CALL, EndCall(call_id=started.call_id), context("k3", "boss"))
        await asyncio.sleep(2.0)
        of_call = owners(world, f"ottb.v1.evt.call.slot-1.{started.call_id}.")
        assert len(of_call) >= 4 and of_call == [{"call": ["boss"], "slot": ["op1"]}] * len(of_call)
        dial = DialPbx(from_="slot_1", to="+380501114568", trunk="trunk-1")
        through = await ask(world.gateways[0], DIAL_PBX, dial, context("k4", "boss"))
        await asyncio.sleep(1.0)
        of_call = owners(world, f"ottb.v1.evt.call.trunk-trunk-1.{through.call_id}.")
        assert of_call and "slot" not in str(of_call) and of_call[0] == of_call[-1]

    in_world(tmp_path, story)
