"""Live events over connections that are lost, of a site in this process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus_schemas.errors import ErrorCode
from ottb_client import ApiError, Client, Shown, SnapshotNeeded, subscription
from tests.support.whole import PASSWORD, Whole, whole_site

SECONDS = 60.0
LOSSES, BETWEEN = 5, 10


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_site(tmp_path) as running:
        yield running


@pytest.fixture
async def api(site: Whole) -> AsyncIterator[Client]:
    async with Client(f"http://127.0.0.1:{site.gateway.listener.port}") as client:
        await client.login("root", PASSWORD)
        yield client


def cut(site: Whole) -> None:
    """Every live client's connection breaks."""
    for one in list(site.gateway.feed._clients.values()):
        site.gateway.feed.transports.cut(one.transport)


async def test_nothing_is_missed_or_repeated_over_lost_connections(api: Client, site: Whole) -> None:
    async def write() -> None:
        for n in range(LOSSES * BETWEEN):
            if n % BETWEEN == 5:
                cut(site)
            await api.write_log(module="CRM", severity="info", message=str(n))

    async with api.live() as live, asyncio.timeout(SECONDS):
        log = await live.log(module="CRM")
        writing = asyncio.create_task(write())
        heard = [await anext(log) for _ in range(LOSSES * BETWEEN)]
        await writing
    assert [one.data.message for one in heard] == [str(n) for n in range(LOSSES * BETWEEN)]
    assert [one.seq for one in heard] == sorted({one.seq for one in heard})


async def test_who_comes_later_is_told_from_where_they_were(api: Client) -> None:
    async with api.live() as live, asyncio.timeout(SECONDS):
        calls = await live.calls()
        await api.start_call(number="+380991230006", slot=11)
        first = await anext(calls)
    async with api.live() as live, asyncio.timeout(SECONDS):
        assert (await anext(await live.calls(since=first.seq - 1))) == first


async def test_a_newer_token_goes_on_in_the_same_connection(api: Client, site: Whole) -> None:
    async with api.live() as live, asyncio.timeout(SECONDS):
        log = await live.log()
        [before] = site.gateway.feed._clients.values()
        expires = before.caller.expires
        await api.refresh()
        await live._go_on()
        [after] = site.gateway.feed._clients.values()
        assert after is before and after.caller.expires >= expires
        await api.write_log(module="CRM", severity="info", message="still here")
        assert (await anext(log)).data.message == "still here"


async def test_a_token_is_replaced_before_it_is_over(api: Client) -> None:
    before = api._login.token
    async with asyncio.timeout(SECONDS):
        async with api.live():
            pass
        api._login.born -= 3000.0
        api._login.until -= 3000.0  # four fifths of an hour are over
        async with api.live() as live:
            await live.log()
    assert api._login.token != before


async def test_who_is_logged_out_hears_why_nothing_comes(api: Client) -> None:
    async with api.live() as live, asyncio.timeout(SECONDS):
        log = await live.log()
        async with Client(api.url) as other:
            await other.login("root", PASSWORD)
            await other.logout(everywhere=True)
        with pytest.raises(ApiError) as ended:
            await anext(log)
        assert ended.value.code == ErrorCode.AUTH_FAIL


async def test_who_is_slow_is_told_to_read_anew(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST", 3)
    async with api.live() as live, asyncio.timeout(SECONDS):
        log = await live.log(module="CRM")
        for n in range(5):
            await api.write_log(module="CRM", severity="info", message=str(n))
        while not log._waiting or getattr(log._waiting[-1], "seq", 0) < (await api.list_logs(module="CRM"))[0].id:
            await asyncio.sleep(0.01)
        with pytest.raises(SnapshotNeeded):
            await anext(log)
        assert (await anext(log)).data.message == "3"


async def test_how_all_is_and_then_what_changes(api: Client, site: Whole) -> None:
    async with api.live() as live, asyncio.timeout(SECONDS):
        slots = await live.slots_shown(slot=11)
        first = await anext(slots)
        assert isinstance(first, Shown) and [one.id for one in first.things] == [11]
        calls = await live.calls_shown()
        before = await anext(calls)
        assert isinstance(before, Shown) and before.things == []
        started = await api.start_call(number="+380991230006", slot=11)
        cut(site)
        changes = [await anext(calls)]
        while not isinstance(changes[-1], Shown) and changes[-1].data.change != "ended":
            changes.append(await anext(calls))
        assert [one.seq for one in changes] == sorted({one.seq for one in changes}) and changes[0].seq > before.seq
        assert not any(isinstance(one, Shown) for one in changes)  # nothing was left out
        assert {one.data.call_id for one in changes} == {started.call_id}
    with pytest.raises(ApiError) as refused:
        async with api.live() as live, asyncio.timeout(SECONDS):
            await live._show("nothing", "nothing.update", Shown, Shown, {})
    assert refused.value.code == ErrorCode.NOT_FOUND and "slots" in refused.value.details["rooms"]
