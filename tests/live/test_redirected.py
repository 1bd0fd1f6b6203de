"""A provider that redirects a call (302), or wants it transferred while it runs (REFER), has no call placed by us to
wherever it likes, whatever context its endpoint has on a real Asterisk."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from actors.telephony.reports import CallPhase, CallSeen
from actors.trunk.pbx import PbxReport
from bus_schemas.call import EndReason
from tests.live.test_moved_calls import FAR
from tests.support.pbx import real_pbx, subject

REDIRECTED = 100  # of some of these Asterisk notes no cause
LEAKY = """
[leaky]
type = endpoint
context = outgoing
allow = ulaw
aors = leaky
transport = udp
[leaky]
type = aor
contact = sip:127.0.0.1:${far_port}
"""
OUTGOING = """
[outgoing]
exten => _[!-~].,1,Answer()
 same => n,Wait(20)
"""

REFERS = """
[endings](+)
exten => 0600,1,Answer()
 same => n,Wait(0.5)
 same => n,Transfer(PJSIP/sip:+380990000007@127.0.0.1:${sip_port})
 same => n,Wait(1)
 same => n,Hangup()
"""


@pytest.mark.live
@pytest.mark.timeout(120)
async def test_a_call_is_not_transferred_by_its_provider(tmp_path: Path) -> None:
    refer = "load = res_pjsip_refer.so\n"
    more = {"pjsip.conf": LEAKY, "extensions.conf": OUTGOING, "modules.conf": refer}
    far = {"modules.conf": refer + "load = app_transfer.so\n", "extensions.conf": REFERS}
    async with real_pbx(tmp_path, more=more, far_more=far) as address, subject(address, endpoint="leaky") as pbx:
        await pbx.linked()
        await pbx.dial("c_referred", "+380991230600", slot=85)
        await pbx.until(lambda report: getattr(report, "phase", None) is CallPhase.ACTIVE)
        await asyncio.sleep(1.2)  # it wants the transfer half a second after the answer
        rows = await pbx.asterisk.client.ask_list("CoreShowChannels")
        assert "outgoing" not in {row["Context"] for row in rows}, rows


@pytest.mark.live
@pytest.mark.timeout(120)
async def test_a_redirected_call_is_not_placed_past_the_gate(tmp_path: Path) -> None:
    more = {"pjsip.conf": LEAKY, "extensions.conf": OUTGOING}
    async with real_pbx(tmp_path, more=more, far_more=FAR) as address, subject(address, endpoint="leaky") as pbx:
        await pbx.linked()
        ids = [f"c_redirected_{number}" for number in range(REDIRECTED)]
        for call_id in ids:
            await pbx.dial(call_id, "+380991230302")
        ends = [await pbx.until(partial(is_end, call_id=call_id)) for call_id in ids]
        rows = await pbx.asterisk.client.ask_list("CoreShowChannels")
        assert not rows, rows
        assert {(end.reason, end.line) for end in ends} == {(EndReason.NETWORK, "none")}
        print(f"{len(ends)} redirections tried, 0 followed: {dict(Counter(end.cause for end in ends))}")


def is_end(report: PbxReport, *, call_id: str) -> bool:
    return isinstance(report, CallSeen) and (report.ref, report.phase) == (call_id, CallPhase.DISCONNECTED)
