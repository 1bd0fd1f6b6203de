"""Somebody on the bus who does more than one may, and sees to it that it is not counted, or as another's."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.attacks.test_bus import PASSWORD, create, token
from tests.stories.test_bus_login import on_bus
from tests.stories.test_point import made
from tests.support.raw_bus import RawBus, raw_bus
from tests.support.site import Client, Site, running_site, until

BURST = 2000  # messages, of 200 that one may send in a second
NAMES = {"as_ours": "core", "as_others": "other/password/other/0", "as_own": "as_own"}  # that a client claims
MOST = 32  # connections of one user
UPGRADE = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\nSec-WebSocket-Version: 13\r\n\r\n")  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), {11: None}) as running:
        yield running


async def let_in(site: Site, name: str, secret: str) -> bool:
    async with raw_bus(site.nats_port, name, secret) as client:
        return not client.refused


async def burst(site: Site, name: str, last: bytes) -> bool:
    """Log in, send more than one may, and say this. Whether the login was let in."""
    async with raw_bus(site.nats_port, name, PASSWORD) as client:
        if client.refused:
            return False
        with contextlib.suppress(OSError):
            await client.say(f"PUB ottb.v1.own.{name}.cmd.nothing 0\r\n\r\n".encode() * BURST + last)
        await client.hear(b"-ERR 'Authorization", 1.0)
        return True


@pytest.mark.parametrize("name", NAMES)
async def test_a_second_login_takes_nothing_off_the_books(site: Site, admin: Client, name: str) -> None:
    """It is refused, and the server then lists the connection no more, and says its end under the claimed name."""
    await create(admin, name)
    await create(admin, "other")
    again = f"CONNECT {json.dumps({'user': NAMES[name], 'pass': 'wrong', 'verbose': False})}\r\n".encode()
    tries = 12
    bursts = 0
    while bursts < tries and await burst(site, name, again):
        bursts += 1
        await asyncio.sleep(0.3)
    cuts = await admin.audit(f"user={name}&action=bus.cut") if bursts < tries else []
    others = "let in" if await let_in(site, "other", PASSWORD) else "refused"
    print(f"{tries} bursts of {BURST}, each ended by a second login as {NAMES[name]}: {bursts} let in; "
          f"another user is {others}")  # fmt: skip
    assert bursts < 3 and others == "let in" and cuts[0]["subject"]["limit"] == "uncounted"


def frame(data: bytes, kind: int = 2) -> bytes:
    """A WebSocket frame of a client's, masked with zeros."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([0x80 | kind]) + size + bytes(4) + data


async def end_oddly(site: Site, name: str, odd: str) -> bool:
    """Log in, have the server read much at once, and end so that it does not count what it reads last. Whether the
    login was let in."""
    port, sent = (site.nats_port, bytes) if odd != "closed" else (site.websocket_port, frame)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if odd == "closed":
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
    login = json.dumps({"user": name, "pass": PASSWORD, "verbose": False})
    writer.write(sent(f"CONNECT {login}\r\nPING\r\n".encode()))
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await asyncio.wait_for(reader.readuntil(b"PONG"), 4.0)
        writer.write(sent(f"PUB ottb.v1.own.{name}.cmd.nothing 60000\r\n".encode() + bytes(60000) + b"\r\n") * 2)
        await asyncio.sleep(0.1)
        last = {"garbled": b"NONE\r\n", "large": b"PUB x 70000\r\n", "closed": b""}[odd]
        burst = f"PUB ottb.v1.own.{name}.cmd.nothing 0\r\n\r\n".encode() * 1000 + last
        writer.write(sent(burst) + (frame(b"\x03\xe8", 8) if odd == "closed" else b""))
        await asyncio.wait_for(reader.read(), 2.0)
        writer.close()
        return True
    writer.close()
    return False


@pytest.mark.parametrize("odd", ["garbled", "large", "closed"])
async def test_ends_that_hide_what_was_sent_last_are_few(site: Site, admin: Client, odd: str) -> None:
    """The server leaves out of its counts what it read together with what ended the connection."""
    await create(admin, odd)
    tries, let_in, began = 70, 0, time.monotonic()
    while let_in < tries and await end_oddly(site, odd, odd):
        let_in += 1
        await asyncio.sleep(0.05)
    took = time.monotonic() - began
    print(f"{tries} connections with 1000 messages each before they end {odd}: {let_in} let in")
    assert 0 < let_in <= MOST + took / 4 + 5


@asynccontextmanager
async def many(site: Site, user: Client, number: int) -> AsyncIterator[list[RawBus]]:
    """So many connections, those that were let in; all at once, for they answer no pings."""
    assert user.token
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(number):
            clients.append(await stack.enter_async_context(raw_bus(site.nats_port, "", user.token)))
        yield [client for client in clients if not client.refused]


def number_of(greeting: bytes) -> int:
    """What the server counts a connection as."""
    found = re.search(rb'"client_id":(\d+)', greeting)
    assert found is not None, greeting
    return int(found[1])


async def count_up(site: Site, number: int) -> None:
    """Have the server give out its numbers up to this one."""
    seen = 0
    while seen < number - 1:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.nats_port)
        seen = number_of(await reader.readline())
        writer.close()


async def test_limits_hold_for_numbers_that_a_server_gives_out_again(site: Site, admin: Client) -> None:
    """nats-server alone is started anew: it counts its connections from the beginning."""
    early, earlier, late = [await made(admin, name, "operator") for name in ("early", "earlier", "late")]
    before: set[int] = set()
    for user in (earlier, early):
        async with many(site, user, MOST) as clients:
            before |= {number_of(client.said) for client in clients}
    old = site.pid("nats-server")
    site.kill("nats-server")

    async def is_back() -> bool:
        if site.pid("nats-server") not in (old, None):
            with contextlib.suppress(OSError):
                return await let_in(site, "admin", site.admin_password)
        return False

    await until(is_back, bool, 30.0)
    await count_up(site, min(before))
    async with many(site, late, 40) as held:
        again = sum(number_of(client.said) in before for client in held)
        taken = await held[0].flood("ottb.v1.own.late.cmd.nothing", most=300_000)
    print(f"40 logins, {again} with numbers from before: {len(held)} held; "
          f"300000 messages are {'all taken' if taken else 'cut'}")  # fmt: skip
    assert again and len(held) <= MOST and not taken


async def test_a_stolen_service_token_keeps_out_its_owner_in_no_way(site: Site, admin: Client) -> None:
    """The thief does all that one may not. What is the owner's own goes on, so that they can end the token."""
    await create(admin, "owner", "supervisor")
    owner = Client(site, admin.session)
    await owner.login("owner", PASSWORD)
    stolen, other = [await token(owner, name, "call.view") for name in ("stolen", "other")]
    async with on_bus(site, "owner", PASSWORD, tries=0) as held, AsyncExitStack() as stack:
        thieves = []
        for _ in range(MOST + 2):  # of those that are refused few are answered soon, and thieves answer no pings
            thief = await stack.enter_async_context(raw_bus(site.nats_port, stolen["id"], stolen["token"]))
            thieves.append(thief)
        full = await let_in(site, "owner", PASSWORD)
        taken = await thieves[0].flood("ottb.v1.evt.call.x.ended", most=300_000)
        out = [await let_in(site, name, one["token"]) for one in (stolen, other) for name in (one["id"], "owner")]
        back = await let_in(site, "owner", PASSWORD)
        lost = len(held.left)
    cuts = await admin.audit("user=owner&action=bus.cut")
    print(f"{MOST + 2} connections and a flood with a stolen service token: {2 - full - back} of 2 logins of its owner "
          f"refused, {lost} of 1 connection cut; {sum(out)} of {len(out)} logins with tokens let in")  # fmt: skip
    assert not taken and full and back and not lost and not any(out)
    assert {cut["subject"]["share"] for cut in cuts} == {"tokens"}


async def test_a_user_who_is_out_keeps_out_no_program(site: Site, admin: Client) -> None:
    """Under whatever name it logs in."""
    await create(admin, "hasty", "supervisor")
    hasty = Client(site, admin.session)
    await hasty.login("hasty", PASSWORD)
    made = await token(hasty, "program", "call.view")
    async with raw_bus(site.nats_port, "hasty", PASSWORD) as client:
        taken = await client.flood("ottb.v1.evt.call.x.ended", most=300_000)
    again = await let_in(site, "hasty", PASSWORD)
    programs = [await let_in(site, name, made["token"]) for name in (made["id"], "hasty", "")]
    print(f"a user's flood: {'taken' if taken else 'cut'}; {sum(programs)} of 3 logins of a program let in")
    assert not taken and not again and all(programs)
