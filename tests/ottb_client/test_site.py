"""The client and a whole site."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from bus_schemas.call import CallState
from bus_schemas.campaign import CampaignSettings, CampaignStatus
from bus_schemas.imports import OVER, ImportStatus
from bus_schemas.lead import GivenLead
from gateway.openapi import name_of
from gateway.surface import ROUTES
from ottb_client import ApiError, Client
from tests.support.whole import PASSWORD, Whole, whole_site

SECONDS = 60.0
PIPELINE = 'id = 1\nname = "one"\n[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]\n'


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_site(tmp_path) as running:
        yield running


@pytest.fixture
async def api(site: Whole) -> AsyncIterator[Client]:
    async with Client(f"http://127.0.0.1:{site.gateway.listener.port}", seconds=SECONDS) as client:
        await client.login("root", PASSWORD)
        yield client


async def test_a_call_is_placed_heard_and_read(api: Client) -> None:
    async with api.live() as live, asyncio.timeout(SECONDS):
        calls = await live.calls()
        started = await api.start_call(number="+380991230006", slot=11)
        states = list[Any]()
        async for heard in calls:
            assert heard.data.call_id == started.call_id and heard.seq == calls.seq
            states += [heard.data.state] if heard.data.state is not UNSET else []
            if heard.data.change == "connected":
                await api.end_call(call_id=started.call_id)
            if heard.data.change == "ended":
                break
    assert states[-1] is CallState.ENDED
    assert (await api.get_cdr(started.call_id)).number == "+380991230006"


async def test_a_list_is_read_page_by_page(api: Client) -> None:
    for number in range(5):
        await api.create_user(username=f"user{number}", password="a long password", role="operator")
    page = await api.list_users(limit=2)
    assert len(page) == 2 and page.next_cursor is not None
    names = [user.username async for user in api.list_users(limit=2)]
    assert names == [user.username for user in await api.list_users()]


async def test_a_campaign_is_run_and_its_leads_are_a_table(api: Client) -> None:
    await api.create_campaign(campaign_id="spring")
    leads = [GivenLead(number="+380991230006", custom={"town": "Lviv"})]
    run = await api.run_campaign(campaign_id="spring", leads=leads)
    assert (run.status, run.accepted) == (CampaignStatus.RUNNING, 1)
    [lead] = await api.list_leads("spring")
    assert lead.lead.numbers == ("+380991230006",)
    table = (await api.list_leads("spring").csv()).decode()
    assert "town" in table and table.count("\r\n") == 2
    assert [row["number"] async for row in api.export_leads("spring")] == ["+380991230006"]


async def test_files_are_sent_and_their_tables_come_back(api: Client) -> None:
    taken = await api.import_do_not_call("global", b"+380991230007\n+380991230008\n")
    assert taken.added == 2
    await api.create_campaign(campaign_id="spring")
    begun = await api.create_import(b"number\n+380991230009\n12\n", campaign_id="spring", name="list.csv", begin=True)
    async with asyncio.timeout(SECONDS):
        while (shown := await api.get_import(begun.import_id)).status not in OVER:
            await asyncio.sleep(0.05)
    assert shown.status is ImportStatus.FINISHED, shown
    assert b"12" in await api.import_errors(begun.import_id)


async def test_what_is_read_is_understood(api: Client) -> None:
    """Every route that can be asked without saying anything, with something there to be shown."""
    started = await api.start_call(number="+380991230006", slot=11)
    await api.set_own_status(status="ready")
    settings = CampaignSettings(attempts_per_lead=1)
    await api.create_campaign(campaign_id="spring", settings=settings)
    await api.run_campaign(campaign_id="spring", leads=[GivenLead(number="+380991230006")])
    await api.add_do_not_call("global", entries=["+380991230007"])
    await api.create_webhook(url="https://crm.example.org/ottb", events=["call.ended"])
    await api.create_token(name="t", actions=["call.view"])
    await api.define_pipeline(text=PIPELINE)
    await api.add_note(text="hello", call_id=started.call_id)
    await api.write_log(module="CRM", severity="info", message="hello")
    await api.create_import(b"number\n+380991230008\n", campaign_id="spring", name="list.csv")
    shown = dict[str, int]()
    for route in ROUTES:
        asked = msgspec.structs.fields(route.rpc.request)
        if route.method == "GET" and not route.followed and not any(field.required for field in asked):
            answer = await getattr(api, name_of(route))()
            shown[name_of(route)] = len(answer) if isinstance(answer, list) else 1
    empty = {name for name, count in shown.items() if not count}
    none = {
        "list_unassigned", "list_cdrs", "list_erasures", "report_operators", "list_runs", "list_hubs", "list_alerts",
        "list_silences",
    }  # fmt: skip
    assert len(shown) > 20 and empty <= none, shown


async def test_what_is_refused_says_why(api: Client) -> None:
    with pytest.raises(ApiError) as refused:
        await api.get_call("c_none")
    assert (refused.value.code, refused.value.status, refused.value.passing) == ("NOT_FOUND", 404, False)
    with pytest.raises(ApiError) as refused:
        await api.start_call(number="112")
    assert refused.value.code == "INVALID_PARAMS" and refused.value.details and refused.value.request_id


async def test_null_and_nothing_are_not_the_same(api: Client) -> None:
    await api.create_user(username="ann", password="a long password", role="operator", email="ann@example.org")
    assert (await api.change_user("ann", extension="101")).email == "ann@example.org"
    changed = await api.change_user("ann", email=None)
    assert (changed.email, changed.extension) == (None, "101")


async def test_the_log_is_followed(api: Client) -> None:
    async with asyncio.timeout(SECONDS):
        await api.write_log(module="CRM", severity="info", message="before")
        since = (await api.list_logs(module="CRM"))[0].at
        heard = list[str]()
        async for record in api.follow_logs(module="CRM", since=since):
            heard.append(record.message)
            if len(heard) == 2:
                break
            await api.write_log(module="CRM", severity="warning", message="after")
    assert heard == ["before", "after"]


async def test_live_events_are_narrowed(api: Client) -> None:
    async with api.live() as live, asyncio.timeout(SECONDS):
        notes = await live.notes(call_id="c_1")
        log = await live.log(severity="error")
        await api.write_log(module="CRM", severity="info", message="no")
        await api.write_log(module="CRM", severity="error", message="yes")
        assert (await anext(log)).data.message == "yes"
        with pytest.raises(ValueError, match="notes"):
            await live.notes()
        await live.leave(notes)
        await live.notes()


async def test_who_may_not_hear_is_told(api: Client) -> None:
    await api.set_role("mute", permissions={})
    await api.create_user(username="bob", password="a long password", role="mute")
    async with Client(api.url) as other:
        await other.login("bob", "a long password")
        async with other.live() as live:
            with pytest.raises(ApiError) as refused:
                await live.webhooks()
    assert refused.value.code == "PERMISSION_DENIED"


async def test_who_is_not_logged_in_is_told(api: Client) -> None:
    async with Client(api.url, token="nonsense") as stranger:
        for asked in (stranger.list_users(), stranger.live().__aenter__()):
            with pytest.raises(ApiError) as refused:
                await asked
            assert refused.value.code == "AUTH_FAIL" and not refused.value.passing
