"""SIPp as the far end of a trunk: what it does depends on how the called number ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from bench.parts import free_port, process
from cli.site import asterisk as real


class Refusal(Struct, frozen=True):
    """How a call is refused. `reason`: the value of a Reason header (RFC 3326); `rings` before."""

    status: str
    reason: str = ""
    rings: bool = False


# By the called number's last four digits; any other is answered after `ring` milliseconds and hung up after `talk`.
REFUSALS = {
    "0001": Refusal("486 Busy Here"), "0004": Refusal("404 Not Found"), "0005": Refusal("503 Service Unavailable")
}  # fmt: skip


def _answer(status: str, *, sdp: bool = False, more: str = "", reason: str = "", tag: str = "") -> str:
    body = """
v=0
o=far 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""
    kind = "Content-Type: application/sdp\n" if sdp else f"Reason: {reason}\n" if reason else ""
    return f"""<send {more}><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPp[call_number]{tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
{kind}Content-Length: [len]
{body if sdp else ""}
]]></send>
"""


def scenario(*, ring: int, talk: int, refusals: Mapping[str, Refusal], forked: bool = False) -> str:
    """The XML of the far end. Milliseconds. `forked`: two phones ring, and the second one is answered."""
    tag = "b" if forked else ""
    checks, branches = "", ""
    for number, (ending, refusal) in enumerate(refusals.items(), 1):
        checks += f'<ereg regexp="{ending}@" search_in="hdr" header="To:" assign_to="is{ending}"/>\n'
        branches += f'<label id="{number}"/>\n' + (_answer("180 Ringing") if refusal.rings else "")
        branches += _answer(refusal.status, reason=refusal.reason) + '<recv request="ACK" next="over"/>\n'
    jumps = "".join(f'<nop next="{number}" test="is{ending}"/>\n' for number, ending in enumerate(refusals, 1))
    return f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="far end">
<recv request="INVITE" rrs="true"><action>
{checks}<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>
</action></recv>
{_answer("100 Trying")}
{jumps}
{_answer("180 Ringing")}
{_answer("180 Ringing", tag=tag) if forked else ""}
<pause milliseconds="{ring}"/>
{_answer("200 OK", sdp=True, more='retrans="500"', tag=tag)}
<recv request="ACK"/>
<pause milliseconds="{talk}"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:far@[local_ip]:[local_port]>;tag=[pid]SIPp[call_number]{tag}
To:[$from]
[last_Call-ID:]
CSeq: 2 BYE
Content-Length: 0
]]></send>
<recv response="200" next="over"/>
{branches}
<label id="over"/>
</scenario>
"""


@asynccontextmanager
async def far_end(
    folder: Path, *, ring: int, talk: int, refusals: Mapping[str, Refusal] = REFUSALS, forked: bool = False
) -> AsyncIterator[int]:
    """SIPp for as long as the block lasts. Gives its port."""
    root = await asyncio.to_thread(real.ensure, print)
    port = free_port()
    inside = Path("/tmp") / f"sipp-{port}.xml"
    path = root / inside.relative_to("/")
    path.write_text(scenario(ring=ring, talk=talk, refusals=refusals, forked=forked))
    argv = ["sipp", "-sf", str(inside), "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-aa", "-l", "5000"]
    argv = argv if root == Path("/") else ["chroot", str(root), *argv]
    try:
        async with process(*argv):
            await asyncio.sleep(0.5)
            yield port
    finally:
        path.unlink(missing_ok=True)
