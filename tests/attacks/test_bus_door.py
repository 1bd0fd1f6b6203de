"""What a login on the bus can put into a message beside its text: odd bytes, and headers that the server itself obeys.
Each attack is bounded, and says what it counted."""

import asyncio

import pytest

from tests.attacks.test_bus import PASSWORD, create
from tests.stories.test_bus_login import on_bus
from tests.support.raw_bus import raw_bus
from tests.support.site import Client, Site

TOKENS_IN = (
    b"\xff\xfe", b"\xc2\xb2", b"\xe2\x80\xae", b"a" * 3000, b"-1", b"%00", b"*", b">", b"", b"\x00", b"\x1b[2J",
)  # fmt: skip
LINES = (
    b"x\r\n\r\n", b"\xff\xff", b"NATS/1.0\r\n\r\n", b"NATS/1.0 503\r\n\r\n", b"NATS/1.0\r\nStatus: 503\r\n\r\n",
    b"NATS/1.0\r\n:\r\n\r\n", b"NATS/1.0\r\n" + b"a: b\r\n" * 3000, b"NATS/1.0\r\nOttb-User: admin\r\n\r\n",
    b"NATS/1.0\r\nNats-Msg-Id: \xff\xfe\r\n\r\n", b"NATS/1.0\r\nNats-Msg-Id: a\nb\r\n\r\n",
    b"NATS/1.0\r\nNats-Msg-Id: " + b"x" * 5000 + b"\r\n\r\n",
    b"NATS/1.0\r\ntraceparent: 00-" + b"z" * 60 + b"\r\n\r\n",
)  # fmt: skip
BODIES = (
    b"", b"\xff", b"null", b"1e999", b"[" * 60_000, b'{"a":' * 10_000, b'{"number": "\\ud800"}',
    b'{"number": ' + b"9" * 5000 + b"}",
)  # fmt: skip
LOGGED = 64 * 1024  # bytes that all of it may leave in the gateway's log


@pytest.fixture(scope="module")
def site(plain_site: Site) -> Site:
    return plain_site


def said(subject: bytes, reply: bytes, body: bytes, headers: bytes = b"") -> bytes:
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(body), body)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject, reply, len(headers), len(headers) + len(body), headers, body)


def odd(name: str) -> list[bytes]:
    """Messages of a user's, none of which is a sound request."""
    own, inbox = f"ottb.v1.own.{name}.".encode(), f"_INBOX.u.{name}.".encode()
    listing = own + b"qry.slot.list"
    return [
        *(said(own + b"cmd.call." + token + b".end", inbox + b"1", b"{}") for token in TOKENS_IN),
        *(said(own + b"cmd.slot." + token + b".restart", inbox + b"1", b"{}") for token in TOKENS_IN),
        *(said(listing, inbox + token, b"{}") for token in TOKENS_IN),
        *(said(listing, inbox + b"1", b"{}", headers) for headers in LINES),
        *(said(own + b"cmd.call.start", inbox + b"1", body) for body in BODIES),
        *(said(own + b"cmd.call.start", inbox + b"1", body, LINES[-2]) for body in BODIES),
    ]


async def test_odd_bytes_are_refused_and_nothing_falls_over(site: Site, admin: Client) -> None:
    await create(admin, "odd", "supervisor")
    log = site.state / "log" / "gateway.log"
    before = log.stat().st_size
    messages, sent, logins = odd("odd"), 0, 0
    while sent < len(messages):
        async with raw_bus(site.nats_port, "odd", PASSWORD) as client:
            logins += 1
            while sent < len(messages):
                client.said = b""
                await client.say(messages[sent] + b"PING\r\n")
                sent += 1
                if not await client.hear(b"PONG\r\n", 2.0):
                    break
    async with on_bus(site, "odd", PASSWORD) as sound:
        answer = await sound.nats.request("ottb.v1.own.odd.qry.slot.list", b"{}", timeout=5)
    text = log.read_bytes()[before:]
    faults = text.count(b"Traceback") + text.count(b'"exception"')
    print(f"{sent} odd messages on {logins} connections: {faults} faults, {len(text)} bytes of log")
    assert sent and not faults and len(text) < LOGGED and "Ottb-Error" not in (answer.headers or {})
    assert (await admin.get("/readyz"))[0] == 200


async def test_the_server_sends_nothing_to_others_for_a_user(site: Site, admin: Client) -> None:
    """Headers that nats-server itself obeys: a trace of a message goes where the message says."""
    await create(admin, "tracer")
    await create(admin, "victim", "supervisor")
    aims = ("_INBOX.u.victim.1", "ottb.v1.evt.call.x.ended", "ottb.v1.evt.call.>", "_INBOX_gateway.x.1")
    async with raw_bus(site.nats_port, "victim", PASSWORD) as victim:
        await victim.say(b"SUB _INBOX.u.victim.> 1\r\nSUB ottb.v1.evt.call.> 2\r\nPING\r\n")
        await victim.hear(b"PONG\r\n")
        async with raw_bus(site.nats_port, "tracer", PASSWORD) as tracer:
            for aim in aims:
                for more in (b"", b"Nats-Trace-Only: true\r\n"):
                    headers = b"NATS/1.0\r\nNats-Trace-Dest: %b\r\n%b\r\n" % (aim.encode(), more)
                    await tracer.say(said(b"ottb.v1.own.tracer.qry.slot.list", b"_INBOX.u.tracer.1", b"{}", headers))
            await tracer.say(b"PING\r\n")
            await tracer.hear(b"PONG\r\n")
        await victim.hear(b"MSG", 1.0)
        heard = victim.said.count(b"MSG ")
    print(f"{2 * len(aims)} messages with a trace for others: {heard} heard")
    assert not heard


async def test_an_answer_that_the_server_would_refuse_costs_no_line(site: Site, admin: Client) -> None:
    """Each would be one in the server's log and one in the gateway's, within all limits. A subject that stands for
    several is none to answer to either."""
    await create(admin, "quiet")
    logs = list((site.state / "log").glob("*.log"))
    before = sum(log.read_bytes().count(b"\n") for log in logs)
    ends = (b"", b".x", b"x.", b"x..y", b"*", b">", b"x.*", b"*.x", b"x.>", b">.x")
    sent = 0
    async with raw_bus(site.nats_port, "quiet", PASSWORD) as client:
        await client.say(b"SUB _INBOX.u.quiet.> 1\r\n")
        for _ in range(20):
            for end in ends:
                await client.say(said(b"ottb.v1.own.quiet.qry.slot.list", b"_INBOX.u.quiet." + end, b"{}"))
                sent += 1
            await asyncio.sleep(0.05)  # no more at once than one may
        await client.say(said(b"ottb.v1.own.quiet.qry.slot.list", b"_INBOX.u.quiet.last", b"{}"))
        assert await client.hear(b"_INBOX.u.quiet.last")
        answered = client.said.count(b"MSG ") - 1
    lines = sum(log.read_bytes().count(b"\n") for log in logs) - before
    print(f"{sent} requests whose answer can go nowhere: {answered} answered, {lines} lines in {len(logs)} logs")
    assert not answered and lines < 30


async def test_the_audit_says_of_a_bus_command_only_what_is_known(site: Site, admin: Client) -> None:
    """The door knows whose connection it was, and not with what its user had logged in."""
    await create(admin, "tokened", "supervisor")
    client = Client(site, admin.session)
    await client.login("tokened", PASSWORD)
    assert client.token
    async with on_bus(site, "tokened", client.token) as bus:
        await bus.nats.request("ottb.v1.own.tokened.cmd.call.start", b'{"number": "+380991234567"}', timeout=5)
    (login, *_) = await admin.audit("user=tokened&action=bus.login")
    (command, *_) = await admin.audit("user=tokened&action=ottb.v1.cmd.call.start")
    print(f"login with {login['credential'].partition(':')[0]}, command by {command['credential']}")
    assert login["credential"].startswith("session:") and command["credential"] == "connection:tokened"
