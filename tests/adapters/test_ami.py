"""The AMI client on the wire: what must never be sent, and every way in which a connection goes wrong.

The cases named `fault N` are those found in a well-known client (panoramisk 1.4), whichever way they are solved here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.adapters import ami
from actors.adapters.ami import AmiClient, AmiDown, AmiRefused, AmiUncertain, Unsendable, decode, encode
from tests.support.pbx import SECRET, Address, Wire, virtual_pbx
from tests.support.site import until
from tests.support.turns import Others

CORPUS = {
    "CR": "500\rAction: Command", "LF": "500\nApplication: System", "CRLF": "500\r\n\r\nAction: Logoff",
    "NUL": "500\x00", "escape": "500\x1b[2J", "DEL": "500\x7f", "long": "5" * 1025,
}  # fmt: skip


@pytest.mark.parametrize("value", CORPUS.values(), ids=CORPUS)
@pytest.mark.parametrize("key", ["Channel", "CallerID", "Variable", "Exten", "ChannelId"])
def test_nothing_that_could_be_more_than_one_line_is_encoded(key: str, value: str) -> None:  # fault 1
    with pytest.raises(Unsendable):
        encode("Originate", "id-1", [(key, value)])


def test_too_many_fields_and_bad_names_are_not_encoded() -> None:
    with pytest.raises(Unsendable):
        encode("Originate", "id-1", [("Variable", "a=b")] * 129)
    for key in ("Chan\r\nnel", "Channel: x", "", "A" * 65):
        with pytest.raises(Unsendable):
            encode("Originate", "id-1", [(key, "500")])


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=60)), max_size=20))
def test_what_is_encoded_is_read_back_as_the_same_fields(fields: list[tuple[str, str]]) -> None:
    try:
        raw = encode("Test", "id-1", fields)
    except Unsendable:
        return
    lines = [line for line in raw.split(b"\r\n") if line]
    assert len(lines) == len(fields) + 2 and raw.count(b"\n") == len(fields) + 3
    assert not any(byte < 0x20 for line in lines for byte in line)


def test_a_message_is_decoded_whole_whatever_its_bytes() -> None:  # fault 13: half a letter at the end of a packet
    assert decode("Event: Newstate\r\nCallerIDName: Zoë Łuk\r\n\r\n".encode())["CallerIDName"] == "Zoë Łuk"
    assert decode(b"Event: X\r\nName: \xff\xfe\r\n\r\n")["Event"] == "X"
    assert decode(b"Event: X\r\nEvent: Y\r\n\r\n")["Event"] == "X"


async def test_a_flood_of_events_leaves_others_their_turn() -> None:
    sent, events = 40_000, list[Mapping[str, str]]()
    reader = asyncio.StreamReader(limit=ami.MESSAGE_LIMIT)
    reader.feed_data(sent * b"Event: X\r\n\r\n")
    reader.feed_eof()
    client = AmiClient(
        host="127.0.0.1", port=0, user="ottb", secret=SECRET, prefix="t",
        on_event=events.append, on_up=lambda: None, on_down=lambda why: None,
    )  # fmt: skip
    others = Others()
    await client._read(reader)
    assert len(events) == sent and others.end() >= sent / 1000


class Client:
    """A client on a wire that can be cut, with what its owner was told."""

    def __init__(self, wire: Wire, *, secret: str = SECRET, listener: Callable[[dict[str, str]], None] | None = None):
        self.wire = wire
        self.events: list[dict[str, str]] = []
        self.downs: list[str] = []
        self.ups = 0
        self.ami = AmiClient(
            host="127.0.0.1", port=wire.port, user="ottb", secret=secret, prefix="t",
            on_event=listener or (lambda event: self.events.append(dict(event))),
            on_up=self._up, on_down=self.downs.append,
        )  # fmt: skip

    def _up(self) -> None:
        self.ups += 1

    async def up(self, times: int = 1) -> None:
        await until(self._look, lambda ups: ups >= times)

    async def _look(self) -> int:
        return self.ups if self.ami.up else 0


Make = Callable[..., Awaitable[Client]]


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[Address]:
    async with virtual_pbx(tmp_path) as address:
        yield address


@pytest.fixture
async def make(address: Address, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr(ami, "PING_PAUSE", 0.2)
    monkeypatch.setattr(ami, "PING_SECONDS", 0.3)
    clients: list[Client] = []
    async with Wire(address.port) as wire:

        async def begin(**more: object) -> Client:
            client = Client(wire, **more)  # type: ignore[arg-type]
            clients.append(client)
            client.ami.start()
            return client

        yield begin
        for client in clients:
            await client.ami.stop()


ORIGINATE = (("Channel", "PJSIP/+380991234567@trunk-1"), ("Async", "true"))


async def test_an_originate_in_flight_is_never_sent_again(make: Make) -> None:  # faults 3, 5
    client = await make()
    await client.up()
    for number in range(1, 6):
        client.wire.cut_after = b"Action: Originate"
        with pytest.raises(AmiUncertain):
            await client.ami.act("Originate", (*ORIGINATE, ("ChannelId", f"c_{number}")))
        await client.up(number + 1)
    await asyncio.sleep(0.3)
    assert bytes(client.wire.sent).count(b"Action: Originate") == 5


async def test_what_is_asked_without_a_connection_is_refused_at_once(make: Make) -> None:  # faults 4, 15
    client = await make()
    with pytest.raises(AmiDown):  # not connected yet
        await client.ami.act("Originate", ORIGINATE)
    await client.up()
    client.wire.cut()
    await until(lambda: _later(lambda: client.ami.up), lambda up: not up)
    with pytest.raises(AmiDown):
        await client.ami.act("Originate", ORIGINATE)
    await client.up(2)
    await asyncio.sleep(0.3)
    assert b"Originate" not in client.wire.sent


async def test_a_refusal_is_a_refusal(make: Make) -> None:  # faults 2, 8
    client = await make()
    await client.up()
    with pytest.raises(AmiRefused):
        await client.ami.act("Originate", ())  # no channel, no Async
    with pytest.raises(AmiRefused):
        await client.ami.act("NoSuchAction")
    assert (await client.ami.act("Ping"))["Ping"] == "Pong"  # and the connection goes on


async def test_every_event_reaches_the_listener_in_order(make: Make) -> None:  # faults 7, 10, 14
    client = await make()
    await client.up()
    fields = (("Channel", "PJSIP/+380991230006@nowhere"), ("Async", "true"))
    for number in range(50):
        await client.ami.act("Originate", (*fields, ("ChannelId", f"c_{number}")))
    await until(lambda: _later(lambda: len(client.events)), lambda count: count >= 50)
    answered = [event["Uniqueid"] for event in client.events if event["Event"] == "OriginateResponse"]
    assert answered == [f"c_{number}" for number in range(50)]


async def test_a_listener_that_fails_does_not_end_the_connection(make: Make) -> None:  # fault 9
    heard = []

    def fail(event: dict[str, str]) -> None:
        heard.append(event)
        raise RuntimeError("a listener's fault")

    client = await make(listener=fail)
    await client.up()
    for number in range(3):
        await client.ami.act("Originate", (("Channel", "None/1"), ("Async", "true"), ("ChannelId", f"c_{number}")))
    await until(lambda: _later(lambda: len(heard)), lambda count: count >= 3)
    assert client.ami.up and client.ups == 1


async def test_a_connection_that_stands_still_is_noticed_and_nothing_piles_up(make: Make) -> None:  # faults 5, 11
    client = await make()
    await client.up()
    client.wire.still = True
    with pytest.raises(AmiUncertain):
        await client.ami.act("Status", (("Channel", "c_1"),))
    await until(lambda: _later(lambda: client.ami.up), lambda up: not up, 3.0)
    assert not client.ami._pending and not client.ami._lists
    client.wire.still = False
    client.wire.cut()
    await client.up(2)


async def test_an_action_has_a_deadline_of_its_own(make: Make, address: Address) -> None:  # fault 5
    client = await make()
    await client.up()
    assert address.virtual is not None
    address.virtual.frozen = True
    with pytest.raises(AmiUncertain, match=r"0\.1 s"):
        await client.ami.act("Status", (("Channel", "c_1"),), timeout=0.1)


async def test_a_wrong_secret_is_tried_a_few_times_and_ever_more_rarely(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:  # fault 12
    monkeypatch.setattr(ami, "REFUSED_PAUSE", 0.01)
    monkeypatch.setattr("simulators.pbx.virtual_pbx.AUTH_PAUSE", 0.0)
    client = await make(secret="wrong")
    await until(lambda: _later(lambda: client.downs), lambda downs: any("too often" in down for down in downs))
    assert bytes(client.wire.sent).count(b"Action: Login") == ami.LOGINS
    await asyncio.sleep(0.3)
    assert bytes(client.wire.sent).count(b"Action: Login") == ami.LOGINS


async def test_passwords_that_the_pbx_tells_are_dropped(make: Make, address: Address) -> None:
    assert address.virtual is not None
    address.virtual.calls.trunks["trunk-1"].registration = "Registered"
    client = await make()
    await client.up()
    rows = await client.ami.ask_list("PJSIPShowRegistrationsOutbound")
    assert [row["Status"] for row in rows] == ["Registered"]
    assert not any("Password" in row for row in (*rows, *client.events))


async def test_a_user_who_hears_no_system_events_is_still_let_in(  # fault 6: FullyBooted never comes
    make: Make, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami, "BOOT_SECONDS", 0.1)
    assert address.virtual is not None
    monkeypatch.setattr(address.virtual, "_say_booted", lambda session: None)
    client = await make()
    await client.up()
    assert (await client.ami.act("Ping"))["Ping"] == "Pong"


async def _later(look: Callable[[], object]) -> object:
    return look()
