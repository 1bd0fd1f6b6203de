"""A site that was down: nobody was ready in that time, and who never came back went when it went."""

import asyncio

import pytest

from bus_schemas.operator import OperatorView
from tests.operator.site import OperatorSite, play, simulated, soon
from tests.operator.test_takeover import seconds, two_hosts

DOWN = 1200.0
ABOUT = 8.0  # seconds: how often it is noted that a site is up, and what a start takes


async def goes_down(site: OperatorSite, how: str) -> None:
    """All hosts end, and come again after a while."""
    for life in [life for life in site.lives if not life.ended]:
        if how == "killed":
            site.kill(life)
        else:
            await site.leave(life)
    await asyncio.sleep(DOWN)
    await two_hosts(site)


async def ends_the_day(site: OperatorSite, user: str) -> OperatorView:
    return await site.be(user, "offline")


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_who_comes_back_was_not_ready_meanwhile(how: str) -> None:
    async def story(site: OperatorSite) -> None:
        await two_hosts(site)
        await site.be("op12", "ready")
        await site.be("op13", "break", "lunch")
        await asyncio.sleep(40.0)
        await goes_down(site, how)
        for user in ("op12", "op13"):
            await site.renew(user)
        await asyncio.sleep(20.0)
        was = await ends_the_day(site, "op12")
        assert 60.0 - ABOUT <= was.ready_seconds <= 60.0 + ABOUT, was
        was = await ends_the_day(site, "op13")
        assert 60.0 - ABOUT <= was.break_seconds <= 60.0 + ABOUT, was

    play(story)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_who_never_comes_back_went_when_the_site_did(how: str) -> None:
    async def story(site: OperatorSite) -> None:
        await two_hosts(site)
        since = (await site.be("op12", "ready")).since
        await asyncio.sleep(40.0)
        await goes_down(site, how)
        assert (await site.see("op12")).status == "ready"  # they may come yet
        was = await soon(lambda: site.see("op12"), "offline", 90.0)
        assert 40.0 - ABOUT <= was.ready_seconds <= 40.0 + ABOUT and was.ready_seconds == round(
            seconds(since, was.since)
        ), was

    play(story)


@simulated
async def test_who_was_seen_since_and_then_goes_was_ready_until_then(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    await asyncio.sleep(40.0)
    await goes_down(site, "killed")
    await site.renew("op12")
    was = await soon(lambda: site.see("op12"), "offline", 90.0)
    assert 100.0 - ABOUT <= was.ready_seconds <= 100.0 + ABOUT, was


@simulated
async def test_a_take_over_by_another_host_is_no_time_down(site: OperatorSite) -> None:
    await two_hosts(site)
    since = (await site.be("op12", "ready")).since
    for _ in range(2):
        await asyncio.sleep(30.0)
        await site.renew("op12")
    site.kill(site.owner_of("op12"))
    await asyncio.sleep(10.0)
    await soon(lambda: site.see("op12"), "ready")
    await site.renew("op12")
    await asyncio.sleep(20.0)
    was = await ends_the_day(site, "op12")
    assert was.ready_seconds == round(seconds(since, was.since)), was


@simulated
async def test_a_call_that_goes_on_meanwhile_counts_whole(site: OperatorSite) -> None:
    """Phones talk on without a site."""
    await two_hosts(site)
    await site.be("op12", "ready")
    site.answer("c1", "op12")
    await soon(lambda: site.see("op12"), "on_call")
    await goes_down(site, "killed")
    site.hang_up("c1", "op12")
    was = await soon(lambda: site.see("op12"), "wrap_up")
    assert DOWN <= was.talk_seconds <= DOWN + 2 * ABOUT
