"""Service codes on a site in simulated time: none unless the site names it, exactly as it is sent, and to nobody
without the right. The phone's own record says what was sent."""

import pytest

from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.script import RUN_SCRIPT, RunScript, RunState
from tests.run.site import ALL, RunSite, play

CODE = "*111#"


async def _refused(site: RunSite, actions: frozenset[str] = ALL) -> ErrorCode:
    context = Context(command_id="code", user="op", actions=actions)
    with pytest.raises(Refusal) as refused:
        await ask(site.world.gateways[0], RUN_SCRIPT, RunScript(slot_id=1, script="send_ussd_balance"), context)
    assert not site.world.phone(1).dials and not site.events("script")
    return refused.value.code


def test_a_code_that_the_site_names_is_sent_once_and_its_answer_read() -> None:
    async def story(site: RunSite) -> None:
        seen = await site.over(await site.begin("send_ussd_balance"))
        assert seen.state is RunState.SUCCEEDED and "142" in seen.values["balance"], seen
        assert seen.values["balance"] in seen.values["answer"]
        assert site.world.phone(1).dials == [CODE] and [code for _, code in site.did("ussd")] == [CODE]
        assert not site.calls(), "it is no call of the platform's"

    play(story, ussd=(CODE,))


def test_a_code_that_the_site_does_not_name_is_not_sent() -> None:
    async def story(site: RunSite) -> None:
        seen = await site.over(await site.begin("send_ussd_balance", code="*101#"))
        assert seen.state is RunState.FAILED and "none that the site allows" in (seen.reason or "")
        with pytest.raises(Refusal) as refused:
            await site.begin("send_ussd_balance", "two", code="*111#1")
        assert refused.value.code is ErrorCode.INVALID_PARAMS
        assert not site.world.phone(1).dials

    play(story, ussd=(CODE,))


def test_nobody_sends_codes_without_the_right() -> None:
    async def story(site: RunSite) -> None:
        assert await _refused(site, ALL - {"script.ussd"}) is ErrorCode.PERMISSION_DENIED

    play(story, ussd=(CODE,))


@pytest.mark.parametrize("named", [(), ("*222#",)])
def test_a_site_sends_no_codes_unless_it_names_one_of_them(named: tuple[str, ...]) -> None:
    async def story(site: RunSite) -> None:
        assert await _refused(site) is ErrorCode.CONFLICT

    play(story, ussd=named)
