"""Calls that are moved on while they run, redirected, forked or answered without ringing, on a whole site and a real
Asterisk: right states, one end, and as much talk as there was. The slots' phones and who is called are a second
Asterisk, which presses the keys of the features itself; one is a SIP phone with a key of its own for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.parts import free_port
from tests.faults.pbx_load import LIMITS, TRUNK, live, records, terminal_events, usable
from tests.support.pbx import SECRET, real_pbx
from tests.support.sip_phone import TransferringPhone, transferring_phone
from tests.support.site import Client, Site, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

PHONE = """
[phone]
type = endpoint
context = ottb-slots
disallow = all
allow = ulaw
aors = phone
transport = udp
[phone]
type = aor
contact = sip:127.0.0.1:PORT
"""
NEAR = {
    "modules.conf": "load = res_parking.so\nload = res_pjsip_refer.so\n",
    "features.conf": """
[general]
transferdigittimeout = 1
transferannouncesound = ${etc}/silence
[featuremap]
atxfer = *2
blindxfer = #1
parkcall = #72
""",
    "silence.ulaw": "\x7f" * 800,
    "res_parking.conf": """
[default]
parkext = 700
parkpos = 701-720
context = parked
parkingtime = 2
comebacktoorigin = no
""",
    "extensions.conf": """
[ottb-slots](+)
exten => 61,1,Set(__TRANSFER_CONTEXT=ottb-slots)
 same => n,Dial(PJSIP/attended@trunk-1,30,tT)
 same => n,Hangup()
exten => 62,1,Set(__TRANSFER_CONTEXT=ottb-slots)
 same => n,Dial(PJSIP/blind@trunk-1,30,tT)
 same => n,Hangup()
exten => 63,1,Dial(PJSIP/park@trunk-1,30,kK)
 same => n,Hangup()
exten => 64,1,Dial(PJSIP/+380990000002@trunk-1&PJSIP/three@trunk-1,30)
 same => n,Hangup()
exten => 68,1,Dial(PJSIP/phone,30)
 same => n,Hangup()
exten => 70,1,Dial(PJSIP/three@trunk-1,30)
 same => n,Hangup()
[park-dial]
exten => _[!-~].,1,Hangup(16)
""",
}
FAR = {
    "modules.conf": "load = app_senddtmf.so\nload = app_transfer.so\n",
    "extensions.conf": """
[carrier](+)
exten => attended,1,Answer()
 same => n,Wait(0.7)
 same => n,SendDTMF(*2,100)
 same => n,Wait(1)
 same => n,SendDTMF(70,100)
 same => n,Wait(3)
 same => n,Hangup()
exten => blind,1,Answer()
 same => n,Wait(0.7)
 same => n,SendDTMF(#1,100)
 same => n,Wait(1)
 same => n,SendDTMF(70,100)
 same => n,Wait(15)
exten => park,1,Answer()
 same => n,Wait(0.7)
 same => n,SendDTMF(#72,100)
 same => n,Wait(15)
exten => three,1,Answer()
 same => n,Wait(3)
 same => n,Hangup()
[endings](+)
exten => 0302,1,Transfer(PJSIP/sip:+380990000007@127.0.0.1:${far_port})
 same => n,Hangup()
exten => 0183,1,Progress()
 same => n,Wait(0.5)
 same => n,Answer()
 same => n,Wait(2)
 same => n,Hangup(16)
exten => 0486,1,Progress()
 same => n,Wait(0.5)
 same => n,Hangup(17)
""",
}
# What is done to a call: its slot, the number, what is right (reason, whether it rang, the least and the most talk).
CASES: dict[str, tuple[int, str, str, bool, float, float]] = {
    "attended transfer": (61, "+380991231001", "hangup_local", True, 5, 10),
    "attended transfer by the phone (REFER)": (68, "+380991231001", "hangup_local", True, 3, 6),
    "blind transfer": (62, "+380991231001", "hangup_local", True, 4, 9),
    "parked until nobody came": (63, "+380991231001", "hangup_local", True, 2, 6),
    "two phones at the slot, the second takes it": (64, "+380991231001", "hangup_local", True, 3, 4),
    "redirected by the provider (302)": (65, "+380991230302", "network", False, 0, 0),
    "answered after early media": (66, "+380991230183", "hangup_remote", False, 2, 2),
    "busy after early media": (67, "+380991230486", "busy", False, 0, 0),
}


@asynccontextmanager
async def site_on_asterisk(folder: Path) -> AsyncIterator[tuple[Client, TransferringPhone]]:
    port = free_port()
    near = NEAR | {"pjsip.conf": PHONE.replace("PORT", str(port))}
    async with (
        real_pbx(folder / "pbx", more=near, far_more=FAR) as address,
        transferring_phone(port=port, pbx=address.sip_port, second="70") as phone,
    ):
        ami = f'[ami.main]\nhost = "127.0.0.1"\nport = {address.port}\nsecret = "{SECRET}"\n'
        slots: dict[int, str | None] = {slot: None for slot, *_ in CASES.values()}
        site = Site(folder=folder, slots=slots, more=LIMITS + ami + TRUNK)
        try:
            await asyncio.to_thread(site.start)
            async with aiohttp.ClientSession() as session:
                client = Client(site, session)
                await client.login("admin", site.admin_password)
                await usable(client)
                yield client, phone
        finally:
            await asyncio.to_thread(site.stop)


async def test_a_call_that_is_moved_on_ends_once_with_all_its_talk(tmp_path: Path) -> None:
    async with site_on_asterisk(tmp_path) as (client, phone):
        ids: dict[str, str] = {}
        for name, (slot, number, *_) in CASES.items():
            body = {"from": f"slot_{slot}", "to": number, "trunk": "trunk-1"}
            status, started = await client.post("/api/pbx/dial", body)
            assert status == 201, started
            ids[name] = started["call_id"]
        await until(lambda: live(client), lambda count: count == 0, 40)
        assert await phone.transferred() == "SIP/2.0 200 OK"

        async def counted() -> list[dict[str, Any]]:
            return await records(client, list(ids.values()))

        found = await until(counted, all_counted)
        events = await terminal_events(client.site)
        wrong = []
        for (name, (_, _, reason, rang, least, most)), cdr in zip(CASES.items(), found, strict=True):
            right = (cdr["reason"], cdr["ring_time"] is not None, events[cdr["call_id"]]) == (reason, rang, 1)
            talked = least <= cdr["talk_seconds"] <= most and abs(cdr["talk_seconds"] - cdr["billable_seconds"]) <= 2
            print(f"{name}: {cdr['reason']}, {cdr['talk_seconds']} s ({cdr['billable_seconds']}), {cdr['cause']}")
            if not (right and talked):
                wrong.append((name, cdr))
        assert not wrong, "\n".join(map(str, wrong))
        await until(lambda: trunk(client), lambda seen: seen == ("OK", 0))


async def trunk(client: Client) -> tuple[str, int]:
    (one,) = (await client.get("/api/pbx/status"))[1]["trunks"]
    return one["state"], one["calls"]


def all_counted(found: list[dict[str, Any]]) -> bool:
    return all(cdr["billable_seconds"] is not None for cdr in found)
