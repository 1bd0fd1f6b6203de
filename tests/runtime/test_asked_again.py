"""What changes nothing is asked again where whoever had it died with it; what may change something is not."""

import asyncio
from collections import Counter

import msgspec
import pytest

from actors.runtime.bus import Message
from actors.runtime.checks import EACH
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.under_way import UnderWay
from actors.runtime.wire import ask
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.campaign import CampaignStatus
from bus_schemas.campaign_outlook import EXPLAIN_CAMPAIGN, CampaignExplained, ExplainCampaign
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.pipeline import CHECK_PIPELINE, CheckedPipeline, CheckPipeline
from bus_schemas.slot import GET_SLOT, SLOT_ABSENT, GetSlot
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run

SAID = CampaignExplained(
    campaign_id="c1", status=CampaignStatus.RUNNING, at="2026-11-27T08:00:00.000Z", leads=0, reasons=()
)


def test_an_explanation_that_was_lost_is_asked_for_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        bus, asked = MemoryBus(MemoryBroker(clock=SimClock(loop))), list[float]()

        async def answer(message: Message) -> None:
            """Who had the first one died with it."""
            asked.append(loop.time())
            if len(asked) > 1 and message.reply is not None:
                await message.reply(msgspec.json.encode(SAID), {})

        await bus.subscribe(EXPLAIN_CAMPAIGN.pattern, answer)
        began, context = loop.time(), Context(command_id="one", user="op")
        assert await ask(bus, EXPLAIN_CAMPAIGN, ExplainCampaign(campaign_id="c1"), context) == SAID
        assert len(asked) == 2 and loop.time() - began < EXPLAIN_CAMPAIGN.timeout
        asked.clear()
        await bus.subscribe(START_CALL.pattern, answer)
        with pytest.raises(Refusal) as silent:
            await ask(bus, START_CALL, StartCall(number="+380991230006"), context)
        assert silent.value.code is ErrorCode.TIMEOUT and len(asked) == 1

    run(main, 1)


def test_who_is_asked_instead_has_only_what_is_left_of_the_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        bus, asked = MemoryBus(MemoryBroker(clock=SimClock(loop))), list[str]()

        async def take_and_go(message: Message) -> None:
            asked.append(message.subject)
            await gone()

        async def keep_silent(message: Message) -> None:
            asked.append(message.subject)

        gone = await bus.subscribe(GET_SLOT.pattern, take_and_go)
        await bus.subscribe(SLOT_ABSENT.subject, keep_silent)
        began = loop.time()
        with pytest.raises(Refusal) as silent:
            await ask(bus, GET_SLOT, GetSlot(slot=44), Context(command_id="one", user="op"))
        assert silent.value.code is ErrorCode.TIMEOUT and loop.time() - began == pytest.approx(GET_SLOT.timeout)
        assert asked == ["ottb.v1.cmd.slot.44.get", SLOT_ABSENT.subject, SLOT_ABSENT.subject]

    run(main, 1)


def test_what_is_asked_again_while_it_is_answered_is_not_begun_twice() -> None:
    """It would have two of its asker's turns, and the refusal of the second be the answer."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        bus = MemoryBus(MemoryBroker(clock=SimClock(loop)))
        begun, under_way = list[str](), UnderWay(EACH, RefusalTemplate(ErrorCode.RATE_LIMITED, "Wait.", rule="checks"))

        async def check(request: CheckPipeline, context: Context) -> CheckedPipeline:
            begun.append(context.command_id)
            with under_way.one(context.share):
                await asyncio.sleep(2.0)
            return CheckedPipeline(ok=True, problems=())

        service = Service(bus=bus, queue="host", handlers=(serve(CHECK_PIPELINE, check),))
        await service.start()
        assert (CHECK_PIPELINE.asked_again or 9) < 2.0
        asked = [f"c{number}" for number in range(EACH)]
        for _ in range(2):  # also under the same ids later
            askers = [Context(command_id=id, user="op", actions=CHECK_PIPELINE.needed) for id in asked]
            said = await asyncio.gather(*(ask(bus, CHECK_PIPELINE, CheckPipeline(text=""), one) for one in askers))
            assert all(one.ok for one in said)
        assert Counter(begun) == Counter(asked * 2)
        await service.stop()

    run(main, 1)
