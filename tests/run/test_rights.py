"""A run is carried out for whoever may still do it when it begins, and when it places its next call."""

import asyncio

import pytest

from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.script import STOP_RUN, RunState, StopRun
from bus_schemas.slot import RESERVE_SLOT, ReserveSlot
from bus_schemas.user import FIND_EXTENSION, ExtensionFound, FindExtension
from tests.run.site import ALL, LONG, SHORT, RunSite, play

SEVERAL = frozenset({"script.run", "call.start", "script.view", "slot.view"})


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        (None, "no account any more"), (SEVERAL - {"script.run"}, "may not run scripts any more"),
        (SEVERAL - {"call.start"}, "needs the permission call.start"),
    ],
)  # fmt: skip
def test_a_run_that_waited_for_one_who_may_not_any_more(rights: frozenset[str] | None, reason: str) -> None:
    async def story(site: RunSite) -> None:
        first = await site.begin("telegram_call", number=LONG)
        waits = await site.begin("telegram_call", "two", queue=True, user="gone", number=SHORT)
        site.rights["gone"] = rights
        await site.ask(STOP_RUN, StopRun(script_id=first), "stop")
        seen = await site.over(waits)
        assert (seen.state, seen.started) == (RunState.FAILED, None) and reason in (seen.reason or ""), seen
        assert "app_call" not in [line.what for line in site.screens.log if line.where == SHORT]
        await site.over(await site.begin("unlock_screen", "after"))  # nobody holds the slot

    play(story)


def test_a_run_that_waited_begins_once_its_user_can_be_asked() -> None:
    async def story(site: RunSite) -> None:
        first = await site.begin("telegram_call", number=LONG)
        waits = await site.begin("unlock_screen", "two", queue=True)
        answers, site.answers = site.answers, False
        await site.ask(STOP_RUN, StopRun(script_id=first), "stop")
        await asyncio.sleep(20.0)
        assert (await site.view(waits)).state is RunState.QUEUED
        site.answers = answers
        assert (await site.over(waits)).state is RunState.SUCCEEDED

    play(story)


@pytest.mark.parametrize("rights", [None, ALL - {"script.run"}, ALL - {"call.start"}])
def test_a_run_places_no_call_for_one_who_may_not_any_more(rights: frozenset[str] | None) -> None:
    async def story(site: RunSite) -> None:
        run = await site.begin("telegram_call", number=SHORT)
        site.rights["op"] = rights
        seen = await site.over(run)
        assert seen.state is RunState.FAILED and "any more" in (seen.reason or ""), seen
        assert not site.did("app_call") and not site.calls()
        assert seen.call_id is None  # it names no call that nobody can look at

    play(story)


@pytest.mark.parametrize("deleted", [True, False])
def test_a_reservation_of_who_is_gone_is_ended(deleted: bool) -> None:
    async def story(site: RunSite) -> None:
        gone = False

        async def find(request: FindExtension, context: Context) -> ExtensionFound:
            if gone and deleted and request.user == "gone":
                raise Refusal(ErrorCode.NOT_FOUND, "No such user.")
            return ExtensionFound(user=request.user, extension=None, active=not gone or request.user != "gone")

        await Service(bus=site.world.gateways[0], queue="", handlers=(serve(FIND_EXTENSION, find),)).start()
        for slot, user in ((1, "gone"), (2, "there")):
            context = Context(command_id=user, user=user, actions=ALL)
            await ask(site.world.gateways[0], RESERVE_SLOT, ReserveSlot(slot=slot, minutes=480), context)
        await asyncio.sleep(25.0)
        with pytest.raises(Refusal):
            await site.begin("unlock_screen", "one")
        gone = True
        await asyncio.sleep(12.0)
        await site.over(await site.begin("unlock_screen", "two"))
        with pytest.raises(Refusal):
            await site.begin("unlock_screen", "three", slot=2)

    play(story)


def test_a_run_that_waits_keeps_nobody_from_what_they_reserved() -> None:
    async def story(site: RunSite) -> None:
        context = Context(command_id="r", user="holder", actions=ALL)
        await ask(site.world.gateways[0], RESERVE_SLOT, ReserveSlot(slot=1, minutes=480), context)
        waits = await site.begin("unlock_screen", "other", queue=True)
        mine = await site.over(await site.begin("unlock_screen", "mine", user="holder"))
        assert mine.state is RunState.SUCCEEDED and (await site.view(waits)).state is RunState.QUEUED

    play(story)
