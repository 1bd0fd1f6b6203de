"""The addresses of a provider's on a real Asterisk: two of which one is dead, an AOR with a name of its own, and a
provider that registers with us, and goes again."""

import socket
from pathlib import Path

import pytest

from actors.trunk.pbx import Contact, ContactSeen
from tests.support.pbx import Subject, real_pbx, subject

ENDPOINT = """
[{name}]
type = endpoint
context = nothing
allow = ulaw
aors = {aor}
transport = udp
[{aor}]
type = aor
qualify_frequency = 2
qualify_timeout = 1
{contacts}
"""
DEAD, ALIVE = "contact = sip:127.0.0.1:9", "contact = sip:127.0.0.1:${far_port}"
ENDPOINTS = {
    "two": ENDPOINT.format(name="two", aor="two", contacts=f"{DEAD}\n{ALIVE}"),
    "named": ENDPOINT.format(name="named", aor="provider", contacts=ALIVE),
    "dead": ENDPOINT.format(name="dead", aor="dead", contacts=DEAD),
    "guest": ENDPOINT.format(name="guest", aor="guest", contacts="max_contacts = 1\nremove_existing = yes"),
}
pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def register(sip_port: int, *, expires: int) -> None:
    """Register as `guest`, or take that back with 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        own = f"127.0.0.1:{wire.getsockname()[1]}"
        wire.settimeout(5)
        lines = [
            f"REGISTER sip:127.0.0.1:{sip_port} SIP/2.0", f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{expires}",
            "From: <sip:guest@127.0.0.1>;tag=g", "To: <sip:guest@127.0.0.1>", f"Call-ID: guest{expires}",
            f"CSeq: {7 if expires else 8} REGISTER", "Contact: <sip:guest@127.0.0.1:9>", f"Expires: {expires}",
            "Max-Forwards: 70", "Content-Length: 0", "", "",
        ]  # fmt: skip
        wire.sendto("\r\n".join(lines).encode(), ("127.0.0.1", sip_port))
        assert b"SIP/2.0 200" in wire.recv(4096)


async def stands(pbx: Subject, right: Contact) -> None:
    await pbx.until(lambda report: isinstance(report, ContactSeen) and report.status is right, 20.0)


async def test_all_addresses_count_on_a_real_asterisk(tmp_path: Path) -> None:
    async with real_pbx(tmp_path, more={"pjsip.conf": "".join(ENDPOINTS.values())}) as address:
        for endpoint, right in (
            ("dead", Contact.UNREACHABLE), ("two", Contact.REACHABLE), ("named", Contact.REACHABLE)
        ):  # fmt: skip
            async with subject(address, endpoint=endpoint) as pbx:
                await stands(pbx, right)
        async with subject(address, endpoint="two") as pbx:  # and the dead one is known as such by now
            await stands(pbx, Contact.REACHABLE)
        async with subject(address, endpoint="guest") as pbx:
            await stands(pbx, Contact.MISSING)
            register(address.sip_port, expires=60)
            await stands(pbx, Contact.UNREACHABLE)  # it is there, and does not answer
            pbx.heard.clear()
            register(address.sip_port, expires=0)
            await stands(pbx, Contact.MISSING)
