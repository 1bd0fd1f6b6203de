"""Somebody with a login on the bus who wants more than is theirs: other people's answers, the server's time, its disk,
other people's commands. Each attack is bounded, and says what it counted."""

import asyncio
import contextlib
import json
import sys
from typing import Any

import pytest

from cli.site.secrets import USERS
from tests.stories.test_bus_login import on_bus
from tests.support.raw_bus import RawBus, raw_bus
from tests.support.site import PATIENCE, Client, Site, until

PASSWORD = "secure123"
RESERVED = (
    *USERS, "system", "ring_timeout", "max_duration", "operator_on_phone", "extension_failed", "remote", "config"
)  # fmt: skip
ODD = ("own", "shared", "token", "evt", "cmd", "qry", "write", "u", "t", "_", "-", "INBOX", "_INBOX", "0", "x" * 64)
NO_NAMES = ("", ">", "*", "a.b", "gateway.>", "a b", "op12 ", "a\nb", "x" * 65, "$SYS", "gateway\u200b", "g\u0430teway")
OTHERS = ("ottb.v1.evt.point.>", "ottb.v1.cmd.>", "ottb.v1.write.>", "$SYS.>", "$JS.API.>", "$KV.>", "_INBOX.>",
          "_INBOX.u.>", "_INBOX.t.>", "_INBOX.u.admin.>", *(f"_INBOX_{name}.>" for name in USERS))  # fmt: skip
MOST_LINES = 100_000_000  # that one may send which are no messages
LOG_LIMIT = 20 * 1024 * 1024 + 512 * 1024  # as promised, and what is written while a file is changed


@pytest.fixture(scope="module")
def site(plain_site: Site) -> Site:
    return plain_site


async def create(admin: Client, name: str, role: str = "operator") -> int:
    body = {"username": name, "password": PASSWORD, "role": role, "must_change_password": False}
    return (await admin.post("/api/users", body, part="point"))[0]


async def token(admin: Client, name: str, *actions: str) -> dict[str, Any]:
    status, created = await admin.post("/api/tokens", {"name": name, "actions": list(actions)}, part="point")
    assert status == 201, created
    return created  # type: ignore[no-any-return]


async def let_in(site: Site, name: str) -> bool:
    async with raw_bus(site.nats_port, name, PASSWORD) as client:
        return not client.refused


# --- names


async def test_no_name_opens_what_is_the_platforms_or_somebody_elses(site: Site, admin: Client) -> None:
    taken = [name for name in (*RESERVED, *(name.upper() for name in RESERVED)) if await create(admin, name) != 400]
    wild = [name for name in NO_NAMES if await create(admin, name) != 400]
    opened, tries = [], 0
    for name in ODD:
        assert await create(admin, name, "supervisor") == 201, name
        async with on_bus(site, name, PASSWORD) as tried:
            for subject in OTHERS:
                tries += 1
                if not await tried.violates(lambda subject=subject: tried.nats.subscribe(subject)):
                    opened.append((name, subject))
    print(
        f"{2 * len(RESERVED)} names of ours: {len(taken)} taken; {len(NO_NAMES)} that are none: {len(wild)} taken; "
        f"{tries} subscriptions by {len(ODD)} odd names: {len(opened)} granted"
    )
    assert not taken and not wild and not opened


async def test_answers_of_others_are_not_heard_under_any_inbox(site: Site, admin: Client) -> None:
    """A user hears everything that they may, while the platform's parts and others are answered."""
    await create(admin, "listener", "supervisor")
    heard: list[str] = []
    answers = 0

    async def hear(message: Any) -> None:
        heard.append(message.subject)

    async with on_bus(site, "listener", PASSWORD) as spy, on_bus(site, "admin", site.admin_password) as other:
        for subject in ("_INBOX.u.listener.>", "ottb.v1.own.listener.evt.>"):
            await spy.nats.subscribe(subject, cb=hear)
        await spy.nats.flush()
        for _ in range(20):
            await other.nats.request("ottb.v1.own.admin.qry.slot.list", b"{}", timeout=5)
            answers += (await admin.get("/api/users", part="point"))[0] == 200
        await spy.nats.flush()
    print(f"{answers} answers to others over HTTP and 20 over the bus: {len(heard)} heard")
    assert answers == 20 and not heard


async def test_nobody_joins_a_group_of_somebody_elses(site: Site, admin: Client) -> None:
    """The server would send each event to one of a group, so whoever is in it takes it from the others."""
    await create(admin, "crm", "supervisor")
    await create(admin, "thief", "supervisor")
    feed = "ottb.v1.all.evt.slot.>"
    workers: list[str] = []
    all_of_it: list[str] = []
    groups = (
        "workers", "crm.w", "u.crm.w", "u.crm.w ", "U.crm.w", "u.*.w", "u.>", "*.crm.w", ">", "*", "u.crm.>", "t.crm.w",
        "u.thief", "u.thief.", "u.thief.*", "u.thief.>", "u.thief.w", "u.thief..u.crm.w",
    )  # fmt: skip

    async def work(message: Any) -> None:
        workers.append(message.subject)

    async def hear(message: Any) -> None:
        all_of_it.append(message.subject)

    async with (
        on_bus(site, "crm", PASSWORD) as one, on_bus(site, "crm", PASSWORD) as two,
        raw_bus(site.nats_port, "thief", PASSWORD) as thief,
    ):  # fmt: skip
        await one.nats.subscribe(feed, cb=hear)
        for bus in (one, two):
            await bus.nats.subscribe(feed, queue="u.crm.w", cb=work)
            await bus.nats.flush()
        lines = [f"SUB {feed} {group} {sid}\r\n" for sid, group in enumerate(groups)]
        await thief.say("".join(lines).encode() + b"PING\r\n")
        await thief.hear(b"PONG\r\n")
        refused = thief.said.count(b"Permissions Violation")
        for number in range(20):
            await admin.post(f"/api/slots/{11 + number % 3}/adb-command", {"command": "echo 1"})
        await until(lambda: asyncio.sleep(0, all_of_it), lambda seen: len(seen) == 40)  # begun and done
        await asyncio.gather(one.nats.flush(), two.nats.flush())
        await asyncio.sleep(0.1)
    print(f"{len(groups)} groups asked for, {refused} refused; {len(workers)} of 40 events in the owner's")
    others = [group for group in groups if not group.startswith("u.thief.")]
    assert sorted(workers) == sorted(all_of_it) and refused == len(others)


# --- limits


async def test_one_connection_gets_no_more_subscriptions_than_it_may(site: Site, admin: Client) -> None:
    await create(admin, "hoarder", "supervisor")
    async with raw_bus(site.nats_port, "hoarder", PASSWORD) as client:
        await client.say(b"".join(f"SUB ottb.v1.evt.call.*.c{n}.> {n}\r\n".encode() for n in range(1, 301)))
        await client.say(b"PING\r\n")
        await client.hear(b"PONG\r\n")
        refusals = client.said.count(b"maximum subscriptions exceeded")
    print(f"300 subscriptions: {refusals} refused")
    assert refusals == 200


async def test_a_large_message_ends_the_connection(site: Site, admin: Client) -> None:
    await create(admin, "large")
    taken = 0
    for size in (64 * 1024 + 1, 200_000, 1_000_000):
        async with raw_bus(site.nats_port, "large", PASSWORD) as client:
            taken += await client.flood("ottb.v1.own.large.cmd.call.start", most=1, size=size)
    print(f"3 messages of more than 64 KiB: {taken} taken")
    assert not taken


async def test_one_user_does_not_hold_all_connections(site: Site, admin: Client) -> None:
    await create(admin, "crowd")
    await create(admin, "lonely")
    clients: list[RawBus] = []
    async with asyncio.TaskGroup() as group:
        over = asyncio.Event()

        async def hold() -> None:
            async with raw_bus(site.nats_port, "crowd", PASSWORD) as client:
                clients.append(client)
                await over.wait()

        for _ in range(45):
            group.create_task(hold())
        await until(lambda: asyncio.sleep(0, len(clients)), lambda seen: seen == 45)
        await asyncio.gather(*(client.hear(b"-ERR", 0.6) for client in clients))
        held = sum(not client.refused for client in clients)
        other = await let_in(site, "lonely")
        over.set()
    print(f"45 connections of one user: {held} held; another user's: {'let in' if other else 'refused'}")
    assert 0 < held <= 32 and other


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("flood_own", "ottb.v1.own.flood_own.cmd.call.start"),
        ("flood_no", "ottb.v1.evt.call.x.ended"),
    ],
)
async def test_a_flood_is_cut_and_stays_out(site: Site, admin: Client, name: str, subject: str) -> None:
    await create(admin, name)
    async with raw_bus(site.nats_port, name, PASSWORD) as client:
        taken = await client.flood(subject, most=3_000_000, reply=f"_INBOX.u.{name}.1")
        sent = client.sent
    again = await let_in(site, name)
    cuts = [] if taken else await admin.audit(f"user={name}&action=bus.cut")
    logs = sum(path.stat().st_size for path in (site.state / "log").glob("nats-server.log*"))
    print(
        f"{name}: {sent} of 3000000 messages handed over, {'all taken' if taken else 'then cut'}; "
        f"{'let in' if again else 'refused'} again; the server's logs have {logs} bytes"
    )
    assert not taken and not again and logs <= LOG_LIMIT
    assert cuts[0]["result"] == "RATE_LIMITED" and cuts[0]["subject"]["limit"] in ("messages", "bytes_in", "bytes_out")
    assert (await admin.get("/api/slots"))[0] == 200


@pytest.mark.skipif(sys.platform != "linux", reason="nats-server counts messages only")
@pytest.mark.parametrize("name", ["pings", "subscribes"])
async def test_what_is_no_message_is_counted_too(site: Site, admin: Client, name: str) -> None:
    await create(admin, name)
    lines = b"PING\r\n" if name == "pings" else f"SUB _INBOX.u.{name}.1 1\r\nUNSUB 1\r\n".encode()
    sent = 0
    async with raw_bus(site.nats_port, name, PASSWORD) as client:
        reading = asyncio.create_task(client.hear(b"never said", 2 * PATIENCE))
        with contextlib.suppress(OSError):
            while sent < MOST_LINES and not reading.done():
                await client.say(lines * 500)
                sent += 500
        over = await until(lambda: asyncio.sleep(0, reading.done()), bool)
    cuts = await until(lambda: admin.audit(f"user={name}&action=bus.cut"), bool)
    print(f"{name}: {sent} lines of {MOST_LINES} handed over, then {'cut' if over else 'nothing'}")
    assert sent < MOST_LINES and cuts[0]["subject"]["limit"] == "lines"


async def test_who_comes_and_goes_is_counted_too(site: Site, admin: Client) -> None:
    """Each connection is over before anybody looks; together they are a flood."""
    await create(admin, "mayfly")
    visits = refused = 0
    while visits < 60 and not refused:
        async with raw_bus(site.nats_port, "mayfly", PASSWORD) as client:
            if client.refused:
                refused += 1
            else:
                visits += await client.flood("ottb.v1.own.mayfly.qry.slot.list", most=150)
    print(f"{visits} visits of 150 messages each before the next one was refused")
    assert refused


# --- ids of messages


async def start(client: Any, prefix: str, id: str, verb: str = "start", **body: Any) -> tuple[str, Any]:
    answer = await client.nats.request(
        f"{prefix}.cmd.call.{verb}", json.dumps(body).encode(), timeout=10, headers={"Nats-Msg-Id": id}
    )
    return (answer.headers or {}).get("Ottb-Error", ""), json.loads(answer.data)


async def test_an_id_is_bound_to_who_what_and_with_which_body(site: Site, admin: Client) -> None:
    first, second = [await token(admin, name, "call.start", "call.end", "call.view") for name in ("one", "two")]
    one, two = f"ottb.v1.token.{first['id']}", f"ottb.v1.token.{second['id']}"
    async with (
        on_bus(site, first["id"], first["token"], inbox=f"_INBOX.t.{first['id']}") as a,
        on_bus(site, second["id"], second["token"], inbox=f"_INBOX.t.{second['id']}") as b,
    ):
        _, begun = await start(a, one, "same", number="+380991230001")
        error, others = await start(b, two, "same", number="+380991230001")
        assert not error and others["call_id"] != begun["call_id"]
        _, again = await start(a, one, "same", number="+380991230001")
        assert again == begun
        error, ended = await start(a, one, "same", f"{begun['call_id']}.end")
        assert error == "IDEMPOTENCY_MISMATCH", ended
        error, other = await start(a, one, "same", number="+380991230002")
        assert error == "IDEMPOTENCY_MISMATCH", other
        calls = [begun["call_id"], others["call_id"]]
        for client, prefix, call in ((a, one, calls[0]), (b, two, calls[1])):
            await start(client, prefix, "end", f"{call}.end")
    print("one id of two service tokens: 2 calls; with another command or body: 0 answers of the first")


async def test_a_key_of_two_service_tokens_is_two_commands_over_http(site: Site, admin: Client) -> None:
    calls = []
    for name in ("web1", "web2"):
        made = await token(admin, name, "call.start", "call.end", "call.view")
        client = Client(site, admin.session, made["token"])
        body = {"number": "+380991230001"}
        status, begun = await client.post("/api/call/start", body, headers={"Idempotency-Key": "same"})
        assert status == 201, begun
        calls.append(begun["call_id"])
        await client.post("/api/call/end", {"call_id": begun["call_id"]})
    print(f"one key of two service tokens: {len(set(calls))} calls")
    assert len(set(calls)) == 2


# --- the audit


async def test_logins_are_on_the_audit_and_strangers_do_not_fill_it(site: Site, admin: Client) -> None:
    await create(admin, "guest", "supervisor")
    assert await let_in(site, "guest")
    (entry, *_) = await admin.audit("user=guest&action=bus.login")
    assert (entry["result"], entry["door"], entry["credential"]) == ("OK", "bus", "password:guest")
    async with raw_bus(site.nats_port, "guest", "wrong") as client:
        assert client.refused
    refused = await until(
        lambda: admin.audit("action=bus.login&result=AUTH_FAIL"),
        lambda rows: any(row["subject"].get("username") == "guest" for row in rows),
    )
    before = len(refused)

    async def stranger(number: int) -> None:
        async with raw_bus(site.nats_port, f"ghost{number}", f"ottb_st_{number:016x}_{'0' * 40}") as client:
            assert client.refused

    await asyncio.gather(*(stranger(number) for number in range(60)))
    after = len((await admin.get("/api/audit?action=bus.login&result=AUTH_FAIL&limit=1000", part="point"))[1])
    print(f"60 refused logins of strangers: {after - before} entries on the audit")
    assert after - before <= 2
