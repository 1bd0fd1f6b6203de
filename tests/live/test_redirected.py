"""A provider that redirects a call (302) has no call placed by us to wherever it likes, whatever context its endpoint
has on a real Asterisk."""

from pathlib import Path

import pytest

from actors.telephony.reports import CallPhase
from bus_schemas.call import EndReason
from tests.live.test_moved_calls import FAR
from tests.support.pbx import real_pbx, subject

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


@pytest.mark.live
@pytest.mark.timeout(120)
async def test_a_redirected_call_is_not_placed_past_the_gate(tmp_path: Path) -> None:
    more = {"pjsip.conf": LEAKY, "extensions.conf": OUTGOING}
    async with real_pbx(tmp_path, more=more, far_more=FAR) as address, subject(address, endpoint="leaky") as pbx:
        await pbx.linked()
        await pbx.dial("c_redirected", "+380991230302")
        over = await pbx.until(lambda report: getattr(report, "phase", None) is CallPhase.DISCONNECTED)
        rows = await pbx.asterisk.client.ask_list("CoreShowChannels")
        assert not rows, rows
        assert (over.reason, over.line) == (EndReason.NETWORK, "none")
