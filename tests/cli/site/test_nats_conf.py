"""nats.conf against the real server: durability, and what each user may do."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_follower import UNACKED
from actors.point import callout
from actors.point.grants import Grants
from actors.runtime.bus import BusError, Message, NoResponders, Recorded
from actors.runtime.settings import Nats
from actors.settings import Sandbox, Settings
from bus_schemas.user import Identity, LoginKind
from cli.site.children import children
from cli.site.probes import nats_answers
from cli.site.secrets import secrets_of
from tests.support.raw_bus import raw_bus
from tests.support.site import PATIENCE, free_ports, until

REFUSED = pytest.raises((BusError, TimeoutError))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running server, as `ottb up` starts it, its state in a folder with a space and a letter beyond ASCII."""
    port, websocket = free_ports(2)
    state = tmp_path_factory.mktemp("nats") / "a place für it"
    made = Settings(
        state_dir=str(state), nats=Nats(port=port, websocket_port=websocket), sandbox=Sandbox(enabled=False)
    )
    child = children(made, None)[0]
    assert child.name == "nats-server"
    (state / "log").mkdir()
    with (state / "log" / "nats-server.log").open("ab") as log:
        server = subprocess.Popen(child.argv, env={**os.environ, **child.env}, stdout=log, stderr=log)
    try:
        asyncio.run(until(lambda: nats_answers(port), bool))
        yield made
    finally:
        server.terminate()
        server.wait(timeout=10)


@asynccontextmanager
async def logged_in(settings: Settings, user: str) -> AsyncIterator[NatsBus]:
    secret = secrets_of(settings.state)[user]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{settings.nats.port}", name="test", user=user, password=secret)
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[NatsBus]:
    async with logged_in(settings, "core") as bus:
        await bus.ensure_streams()
        yield bus


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[NatsBus]:
    async with logged_in(settings, "gateway") as bus:
        yield bus


async def journal(core: NatsBus, subject: str) -> int:
    """One more entry of a subject."""
    last = await core.last(subject)
    return await core.append(subject, b"{}", {}, scope=subject, expect=last.seq if last else 0)


async def test_what_is_acknowledged_is_on_disk(settings: Settings) -> None:
    async with logged_in(settings, "sys") as sys:
        answer = await sys.request("$SYS.REQ.SERVER.PING.VARZ", b"", {}, timeout=2)
    jetstream = msgspec.json.decode(answer.data)["data"]["jetstream"]["config"]
    assert jetstream["sync_always"] is True
    assert jetstream["store_dir"].startswith(str(settings.state / "nats"))


async def test_the_server_listens_on_this_machine_alone(settings: Settings) -> None:
    async with logged_in(settings, "sys") as sys:
        answer = await sys.request("$SYS.REQ.SERVER.PING.VARZ", b"", {}, timeout=2)
    varz = msgspec.json.decode(answer.data)["data"]
    assert varz["host"] == "127.0.0.1"
    assert not varz.get("http_port")


def test_the_passwords_are_for_their_owner_alone(settings: Settings) -> None:
    assert (settings.state / "secrets.json").stat().st_mode & 0o777 == 0o600


async def test_nobody_gets_in_without_a_password(settings: Settings) -> None:
    with REFUSED:
        await NatsBus.connect(f"nats://127.0.0.1:{settings.nats.port}", name="stranger", timeout=2)


async def test_a_core_writes_and_reads_the_journal_and_the_buckets(core: NatsBus) -> None:
    seq = await journal(core, "ottb.v1.evt.call.c1.created")
    assert [entry.seq async for entry in core.replay("ottb.v1.evt.call.c1.>")][-1] == seq
    for bucket in ("OTTB_OWN", "OTTB_SNAP"):
        await core.put(bucket, "key", b"v", expect=None)
        entry = await core.get(bucket, "key")
        assert entry is not None
        assert entry.data == b"v"


async def test_a_gateway_asks_and_is_answered(core: NatsBus, gateway: NatsBus) -> None:
    async def answer(message: object) -> None:
        await message.reply(b"yes", {})  # type: ignore[attr-defined]

    for subject in ("ottb.v1.cmd.call.start", "ottb.v1.qry.call.list"):
        stop = await core.subscribe(subject, answer)
        assert (await until(lambda subject=subject: _asked(gateway, subject), bool)) == b"yes"
        await stop()


async def test_a_gateway_answers_another_gateway(settings: Settings, core: NatsBus, gateway: NatsBus) -> None:
    async def answer(message: object) -> None:
        await message.reply(b"yes", {})  # type: ignore[attr-defined]

    await gateway.subscribe("ottb.v1.cmd.gateway.g1.is_running", answer)
    async with logged_in(settings, "gateway") as other:
        assert (await until(lambda: _asked(other, "ottb.v1.cmd.gateway.g1.is_running"), bool)) == b"yes"


async def _asked(bus: NatsBus, subject: str) -> bytes:
    try:
        return (await bus.request(subject, b"", {}, timeout=1)).data
    except BusError:  # the subscription may not have arrived yet
        return b""


async def test_a_gateway_follows_and_replays_the_journal(core: NatsBus, gateway: NatsBus) -> None:
    heard: list[Recorded] = []

    async def hear(recorded: Recorded) -> None:
        heard.append(recorded)

    stop = await gateway.follow("ottb.v1.evt.call.>", hear, after=await gateway.last_seq())
    seq = await journal(core, "ottb.v1.evt.call.c2.created")

    async def seqs() -> list[int]:
        return [entry.seq for entry in heard]

    await until(seqs, lambda got: got == [seq])
    assert [entry.seq async for entry in gateway.replay("ottb.v1.evt.call.c2.>")] == [seq]
    await stop()


@pytest.mark.parametrize("user", ["core", "gateway"])
async def test_a_follower_may_say_that_it_keeps_up(core: NatsBus, settings: Settings, user: str) -> None:
    """After so many entries without a word the server waits for one."""
    before, heard = await core.last_seq(), 0
    for start in range(0, UNACKED + 500, 500):
        subjects = [f"ottb.v1.evt.slot.{user}{start + number}.noted" for number in range(500)]
        await asyncio.gather(*(core.append(one, b"", {}, scope=one, expect=0) for one in subjects))

    async def hear(recorded: Recorded) -> None:
        nonlocal heard
        heard += 1

    async def so_many() -> int:
        return heard

    async with logged_in(settings, user) as bus:
        await bus.follow("ottb.v1.evt.slot.>", hear, after=before)
        await until(so_many, lambda got: got > UNACKED)


async def test_a_gateway_asks_the_leader_for_entries_and_its_own_records(core: NatsBus, gateway: NatsBus) -> None:
    seq = await journal(core, "ottb.v1.evt.call.c6.created")
    last = await gateway.last("ottb.v1.evt.call.c6.*", certain=True)
    assert last is not None and last.seq == seq
    await gateway.put("OTTB_IDEM", "k2", b"first", expect=0)
    query = b'{"last_by_subj": "$KV.OTTB_IDEM.k2"}'
    answer = await gateway.request("$JS.API.STREAM.MSG.GET.KV_OTTB_IDEM", query, {}, timeout=2)
    assert b'"subject":"$KV.OTTB_IDEM.k2"' in answer.data
    assert (await gateway.request("$JS.API.STREAM.INFO.KV_OTTB_IDEM", b"", {}, timeout=2)).data
    with REFUSED:
        await gateway.request("$JS.API.STREAM.MSG.GET.KV_OTTB_SNAP", query, {}, timeout=0.5)


async def test_a_gateway_keeps_its_own_records(core: NatsBus, gateway: NatsBus) -> None:
    revision = await gateway.put("OTTB_IDEM", "k1", b"first", expect=0)
    entry = await gateway.get("OTTB_IDEM", "k1")
    assert entry is not None
    assert (entry.data, entry.revision) == (b"first", revision)
    await gateway.delete("OTTB_IDEM", "k1", expect=revision)


async def test_a_gateway_cannot_write_the_journal(core: NatsBus, gateway: NatsBus, tries_end_soon: None) -> None:
    before = await core.last_seq()
    with REFUSED:
        await gateway.append("ottb.v1.evt.call.c3.created", b"{}", {}, scope="ottb.v1.evt.call.c3.>", expect=0)
    assert await core.last_seq() == before


@pytest.mark.parametrize("bucket", ["OTTB_OWN", "OTTB_SNAP"])
async def test_a_gateway_cannot_take_a_lease_or_a_snapshot(
    bucket: str, core: NatsBus, gateway: NatsBus, tries_end_soon: None
) -> None:
    with REFUSED:
        await gateway.put(bucket, "stolen", b"me", expect=None)
    assert await core.get(bucket, "stolen") is None


@pytest.mark.parametrize(
    "subject", [
        "$JS.API.STREAM.DELETE.OTTB_EVT", "$JS.API.STREAM.PURGE.OTTB_EVT", "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.MSG.DELETE.OTTB_EVT", "$JS.API.STREAM.MSG.DELETE.OTTB_RED",
    ]
)  # fmt: skip
async def test_a_gateway_manages_no_streams(subject: str, core: NatsBus, gateway: NatsBus) -> None:
    await journal(core, "ottb.v1.evt.call.c4.created")
    with REFUSED:
        await gateway.request(subject, b"", {}, timeout=0.5)
    assert await core.last("ottb.v1.evt.call.c4.created") is not None


async def test_a_watcher_hears_calls_and_no_password_hashes(core: NatsBus, settings: Settings) -> None:
    heard: list[str] = []

    async def hear(message: object) -> None:
        heard.append(message.subject)  # type: ignore[attr-defined]

    async with logged_in(settings, "watch") as watch:
        await watch.subscribe("ottb.v1.evt.user.>", hear)
        await watch.subscribe("ottb.v1.evt.call.>", hear)

        async def after_one_more() -> list[str]:
            await journal(core, "ottb.v1.evt.user.u1.created")
            await journal(core, "ottb.v1.evt.call.c5.created")
            return heard

        await until(after_one_more, bool)
        assert set(heard) == {"ottb.v1.evt.call.c5.created"}


async def test_a_watcher_can_say_nothing(core: NatsBus, settings: Settings) -> None:
    async def answer(message: object) -> None:
        await message.reply(b"yes", {})  # type: ignore[attr-defined]

    await core.subscribe("ottb.v1.cmd.call.start", answer)
    async with logged_in(settings, "watch") as watch:
        for subject in ("ottb.v1.cmd.call.start", "$JS.API.INFO"):
            with REFUSED:
                await watch.request(subject, b"", {}, timeout=0.3)


@pytest.fixture
def tries_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused write is not answered at all; do not wait for it as long as for a server that restarts."""
    monkeypatch.setattr("actors.adapters.nats_writer.APPEND_DEADLINE", 0.3)


async def test_the_log_keeps_its_bound_whoever_makes_it_grow(settings: Settings) -> None:
    secret = secrets_of(settings.state)["watch"]
    sent = 0
    async with asyncio.timeout(4 * PATIENCE):
        while sent < 250_000:  # who does not read what is refused as fast as it comes is cut off, and comes again
            async with raw_bus(settings.nats.port, "watch", secret) as client:
                await client.flood("ottb.v1.cmd.call.start", most=250_000 - sent, size=1)
                sent += client.sent
    files = list((settings.state / "log").glob("nats-server.log*"))
    size = sum(path.stat().st_size for path in files)
    print(f"{sent} refused messages: {len(files)} files of {size} bytes")
    assert 1 < len(files) <= 2 and size <= 21 * 1024 * 1024


async def test_other_systems_hear_what_is_exported_and_nothing_else(
    settings: Settings, core: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a template says by mistake."""
    seed = secrets_of(settings.state)["issuer_seed"]

    async def admit(message: Message) -> None:
        identity = Identity(kind=LoginKind.PASSWORD, id="u", user="u", role="r", actions=[], expires_at=None)
        assert message.reply is not None
        await message.reply(callout.admitted(callout.read(message.data), identity, seed, int(time.time())), {})

    everything = Grants(publish=[">"], subscribe=[">"], groups=">", inbox="")
    monkeypatch.setattr(callout, "grants", lambda identity: everything)
    secret = ("ottb.v1.cmd.call.start", "ottb.v1.qry.call.list", "_INBOX_core.x", "_INBOX_gateway.x", "_INBOX_watch.x")
    async with logged_in(settings, "auth") as auth:
        await auth.subscribe("$SYS.REQ.USER.AUTH", admit)
        with pytest.raises(NoResponders):  # what was sent on this connection before is done: the next login is heard
            await auth.request("nobody", b"", {}, timeout=5.0)
        async with raw_bus(settings.nats.port, "u", "x") as user:
            await user.say(b"SUB > 1\r\nPING\r\n")
            assert await user.hear(b"PONG")
            for subject in (*secret, "ottb.v1.own.x.evt.call.c.ended", "ottb.v1.tel.slot.1"):
                await core.publish(subject, b"said", {})
            for subject in ("ottb.v1.evt.point.directory.user_created", "ottb.v1.evt.call.c9.created"):
                await journal(core, subject)
            assert await user.hear(b"MSG ottb.v1.evt.call.c9.created")
            heard = [line.split()[1] for line in user.said.split(b"\r\n") if line.startswith((b"MSG ", b"HMSG "))]
    assert heard == [b"ottb.v1.own.x.evt.call.c.ended", b"ottb.v1.tel.slot.1", b"ottb.v1.evt.call.c9.created"]
