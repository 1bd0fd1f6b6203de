"""The tracker of an adb server: what is no answer of one does not end it, and one phone is used under one name."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from actors.adapters import adb_tracker
from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_listing import Listing, Seen, parse_devices
from actors.adapters.adb_phone import AdbPhone, link_of
from actors.adapters.adb_place import AdbPort
from actors.adapters.adb_tracker import DeviceTracker, Sight, Watch
from actors.adapters.phone_calls import PhoneCalls
from actors.slot.phone import PhoneUnreachable, Report
from actors.telephony.reports import CallPhase, Link, LinkChanged
from bench.parts import free_port
from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear, Server, dial
from tests.support.site import PATIENCE

P1 = "P1                     device usb:1-2.3 product:a52 model:A52 device:a52 transport_id:{}\n"
P2 = "P2                     device usb:1-2.4 product:a52 model:A52 device:a52 transport_id:{}\n"
OURS = "+380991230007"


def message(text: str) -> bytes:
    return f"{len(text):04x}{text}".encode()


class FakeServer:
    """A server that says what it is told to: one script for each connection, then lists as they are set."""

    def __init__(self, *scripts: bytes) -> None:
        self.scripts = list(scripts)
        self.connections = 0
        self.port = 0
        self._lists: asyncio.Queue[str] = asyncio.Queue()

    def show(self, text: str) -> None:
        self._lists.put_nowait(text)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        length = int(await reader.readexactly(4), 16)
        await reader.readexactly(length)
        if self.scripts:
            writer.write(self.scripts.pop(0))
            await writer.drain()
            writer.close()
            return
        writer.write(b"OKAY")
        while True:
            writer.write(message(await self._lists.get()))


@asynccontextmanager
async def tracked(*fakes: FakeServer, also: Mapping[str, str] | None = None) -> AsyncIterator[DeviceTracker]:
    listening = [await asyncio.start_server(fake.serve, "127.0.0.1", 0) for fake in fakes]
    for fake, server in zip(fakes, listening, strict=True):
        fake.port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        client = AdbClient(*(AdbPort("127.0.0.1", fake.port) for fake in fakes))
        tracker = DeviceTracker(client=client, folder=Path(folder), also=also or {})
        tracker.start()
        try:
            yield tracker
        finally:
            await tracker.stop()
            for server in listening:
                server.close()


class Eye:
    """What is told of one name."""

    def __init__(self) -> None:
        self.sights: list[Sight] = []
        self._news = asyncio.Event()

    def __call__(self, sight: Sight) -> None:
        self.sights.append(sight)
        self._news.set()

    async def until(self, wanted: Callable[[Sight], bool]) -> Sight:
        async with asyncio.timeout(PATIENCE):
            while not (self.sights and wanted(self.sights[-1])):
                self._news.clear()
                await self._news.wait()
        return self.sights[-1]


def is_there(sight: Sight) -> bool:
    return sight.seen is not None


def is_taken(sight: Sight) -> bool:
    return "in use" in sight.why


# --- answers that are none ----------------------------------------------------------------------------------------

GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    bytes(100),
    b"FAILnope",
    b"OKAYzzzz",
    b"OKAY-001",
    b"OKAY0x1f",
    b"OKAY 12 ",
    b"OKAY" + message("hello"),
    b"OKAY" + message("P1                     devi"),
    b"OKAY" + message("\n\n"),
    b"OKAY\xff\xff\xff\xff",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_what_is_no_answer_of_an_adb_server_does_not_end_the_tracker(garbage: bytes) -> None:
    fake, eye = FakeServer(garbage), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", eye)
        fake.show(P1.format(1))
        await eye.until(is_there)
        assert fake.connections == 2
        assert [sight for sight in eye.sights if sight.server] == eye.sights  # garbage was no news of the phone


async def test_garbage_after_a_good_list_says_nothing_of_the_phones() -> None:
    fake, eye = FakeServer(b"OKAY" + message(P1.format(1)) + b"<html>"), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", eye)
        fake.show(P1.format(1))
        await eye.until(lambda sight: not sight.server)
        await eye.until(is_there)


@pytest.mark.parametrize("version", [b"OKAY0004zzzz", b"OKAY0000", b"HTTP/1.1"])
async def test_a_version_that_is_none_is_no_server(version: bytes) -> None:
    fake = FakeServer()
    async with tracked(fake) as tracker:
        fake.scripts = [version]
        with pytest.raises(AdbServerGone):
            await tracker.client.version()


async def test_a_watcher_that_fails_costs_the_others_nothing() -> None:
    fake, eye = FakeServer(), Eye()

    def fails(sight: Sight) -> None:
        raise RuntimeError("no")

    async with tracked(fake) as tracker:
        tracker.watch("P2", fails)
        tracker.watch("P1", eye)
        fake.show(P1.format(1) + P2.format(2))
        await eye.until(is_there)
        fake.show(P2.format(2))
        await eye.until(lambda sight: sight.seen is None)


def test_two_phones_with_one_serial_are_told_apart_by_their_places() -> None:
    devices = parse_devices(P1.format(1) + P1.format(2).replace("1-2.3", "1-2.9"))
    assert {key: seen.transport_id for key, seen in devices.items()} == {"usb:1-2.3": "1", "usb:1-2.9": "2"}


FIRST, TWIN = P1.format(1), P1.format(2).replace("1-2.3", "1-2.9")
BACK_AT_ITS_PLACE, BACK_ELSEWHERE = P1.format(3), P1.format(3).replace("1-2.3", "1-2.5")


def is_doubted(sight: Sight) -> bool:
    return sight.seen is not None and "2 phones" in sight.doubt


async def test_a_second_phone_with_its_serial_takes_no_phone_away() -> None:
    """In whatever order they are listed: the connection is known, and what it is in must go on. Nothing new is dialled
    with either by that name."""
    fake, serial, place = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        by_serial = tracker.watch("P1", serial)
        by_place = tracker.watch("usb:1-2.9", place)
        fake.show(FIRST)
        await serial.until(is_there)
        for both in (FIRST + TWIN, TWIN + FIRST):
            fake.show(both)
            told = await serial.until(is_doubted)
            assert told.seen is not None and told.seen.transport_id == "1"
            assert "usb:1-2.3" in told.doubt and "usb:1-2.9" in told.doubt and "hub and port" in told.doubt
            assert tracker.client.target("P1") == "usb:1-2.3"
            assert (await place.until(is_there)).seen is not None
            assert tracker.holds(by_place) and tracker.holds(by_serial)
        assert {name for device in tracker.devices() for name in device.names} == {"usb:1-2.3", "usb:1-2.9"}
        fake.show(FIRST)
        assert not (await serial.until(lambda sight: not sight.doubt)).why


async def test_of_two_phones_with_one_serial_from_the_start_it_names_none() -> None:
    fake, eye = FakeServer(), Eye()
    async with tracked(fake) as tracker:
        watch = tracker.watch("P1", eye)
        fake.show(FIRST + TWIN)
        assert "2 phones" in (await eye.until(lambda sight: bool(sight.why))).why
        fake.show(TWIN)  # it may be the wrong one that is left
        told = await eye.until(lambda sight: "not known to be" in sight.why)
        assert "usb:1-2.9" in told.why and "hub and port" in told.why and not tracker.holds(watch)


@pytest.mark.parametrize("left", [TWIN, BACK_ELSEWHERE, TWIN + BACK_ELSEWHERE])
async def test_a_phone_that_is_left_is_not_taken_for_the_one_that_went(left: str) -> None:
    fake, eye = FakeServer(), Eye()
    async with tracked(fake) as tracker:
        watch = tracker.watch("P1", eye)
        for listed in (FIRST, FIRST + TWIN):
            fake.show(listed)
        await eye.until(is_doubted)
        fake.show(left)
        assert "hub and port" in (await eye.until(lambda sight: sight.seen is None)).why
        assert not tracker.holds(watch) and "P1" not in tracker.client.targets
        fake.show(TWIN + BACK_AT_ITS_PLACE)
        told = await eye.until(is_doubted)
        assert told.seen is not None and told.seen.transport_id == "3", "the one at its place"


async def test_a_new_server_counts_connections_anew() -> None:
    """The number of a connection of the old server says nothing of the new one's."""
    fake, eye = FakeServer(b"OKAY" + message(FIRST) + message(FIRST + TWIN)), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", eye)
        await eye.until(lambda sight: not sight.server)
        fake.show(P1.format(1).replace("1-2.3", "1-2.9"))
        assert "not known to be" in (await eye.until(lambda sight: bool(sight.why))).why
        assert not any(sight.seen and sight.seen.usb == "1-2.9" for sight in eye.sights)


async def test_of_two_phones_with_one_serial_the_place_decides() -> None:
    fake, first, second = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        one = tracker.watch("P1", first, "usb:1-2.3")
        other = tracker.watch("P1", second, "usb:1-2.9")
        for both in (FIRST + TWIN, TWIN + FIRST):
            fake.show(both)
            for eye, usb in ((first, "1-2.3"), (second, "1-2.9")):
                told = await eye.until(is_there)
                assert told.seen is not None and told.seen.usb == usb and not told.doubt
            assert tracker.holds(one) and tracker.holds(other)
        assert tracker.client.target("P1 at usb:1-2.9") == "usb:1-2.9"
        fake.show(TWIN)
        told = await first.until(lambda sight: sight.seen is None)
        assert "at usb:1-2.9, not at usb:1-2.3" in told.why and tracker.holds(other) and not tracker.holds(one)
        fake.show(BACK_AT_ITS_PLACE)
        await first.until(is_there)
        await second.until(lambda sight: "not at usb:1-2.9" in sight.why)


async def test_a_phone_over_tcp_has_no_place_and_is_found_by_its_serial() -> None:
    fake, eye = FakeServer(), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", eye, "usb:1-2.3")
        fake.show("P1                     device product:a52 model:A52 device:a52 transport_id:4\n")
        await eye.until(is_there)


async def test_a_lost_connection_that_is_still_listed_is_no_second_phone() -> None:
    fake, eye = FakeServer(), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", eye)
        lost, anew = P1.format(9).replace("device usb", "offline usb"), P1.format(10)
        for listed in (lost + anew, anew + lost):
            fake.show(listed)
            told = await eye.until(is_there)
            assert told.seen is not None and told.seen.transport_id == "10" and not told.doubt


async def test_a_line_that_cannot_be_read_is_told_to_whose_phone_is_not_seen() -> None:
    fake, one, other = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", one)
        tracker.watch("P2", other)
        fake.show(P1.format(1) + " P2\n")
        await one.until(is_there)
        assert "cannot be read: ' P2'" in (await other.until(lambda sight: bool(sight.why))).why
        assert any("cannot be read" in device.state for device in tracker.devices())


async def test_a_phone_that_adb_may_not_open_is_seen_at_its_place() -> None:
    fake, serial, place = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("P1", serial)
        tracker.watch("usb:1-2.3", place)
        fake.show("????????????           no permissions (missing udev rules? see it); usb:1-2.3 transport_id:4\n")
        sight = await place.until(is_there)
        link, detail = link_of(sight)
        assert link is Link.OFFLINE and "udev rule is missing" in detail
        assert "usb:1-2.3: no permissions" in (await serial.until(lambda sight: bool(sight.why))).why


@pytest.mark.parametrize(
    ("state", "words"),
    [("unauthorized", "key"), ("offline", "does not answer"), ("recovery", "repair"), ("sideload", "repair")],
)
def test_a_state_that_is_no_use_is_told_in_words(state: str, words: str) -> None:
    link, detail = link_of(Sight(seen=Seen(serial="P1", state=state)))
    assert link is not Link.ONLINE and words in detail


async def test_a_phone_at_superspeed_hangs_on_another_bus_of_the_same_hub() -> None:
    fake, eye = FakeServer(), Eye()
    async with tracked(fake, also={"2-2": "1-2", "4-1.3": "3-1.3"}) as tracker:
        watch = tracker.watch("usb:1-2.4.2", eye)
        fake.show(P1.format(1).replace("1-2.3", "2-2.4.2") + P2.format(2).replace("1-2.4", "2-22.4.2"))
        sight = await eye.until(is_there)
        assert sight.seen is not None and sight.seen.serial == "P1" and tracker.holds(watch)
        assert tracker.client.target("usb:1-2.4.2") == "usb:2-2.4.2", "adb knows it by the bus that it is on"
        assert [device.usb for device in tracker.devices()] == ["1-2.4.2", "2-22.4.2"]
        fake.show(P1.format(3).replace("1-2.3", "1-2.4.2"))  # replugged with a worse cable
        await eye.until(lambda sight: sight.seen is not None and sight.seen.transport_id == "3")
        assert tracker.client.target("usb:1-2.4.2") == "usb:1-2.4.2"


# --- several servers ----------------------------------------------------------------------------------------------


async def test_a_server_that_ends_takes_no_phone_of_another_one_away() -> None:
    fakes, one, other = (FakeServer(b"OKAY" + message(P1.format(1))), FakeServer()), Eye(), Eye()
    async with tracked(*fakes) as tracker:
        watches = tracker.watch("P1", one), tracker.watch("P2", other)
        fakes[1].show(P2.format(1))
        await one.until(lambda sight: not sight.server and sight.seen is None)
        await other.until(is_there)
        assert tracker.holds(watches[1]) and not tracker.holds(watches[0])
        assert [device.serial for device in tracker.devices()] == ["P2"] and tracker.listed() is None
        fakes[0].show(P1.format(1))
        await one.until(is_there)
        assert len(tracker.listed() or ()) == 2
        assert [sight.seen is not None for sight in other.sights] == [True], "it was told once"


async def test_whether_a_phone_is_absent_is_known_when_all_servers_have_told() -> None:
    fakes, eye = (FakeServer(), FakeServer()), Eye()
    async with tracked(*fakes) as tracker:
        tracker.watch("P2", eye)
        fakes[0].show(P1.format(1))
        while not tracker.devices():
            await asyncio.sleep(0.01)
        assert not eye.sights, "it may be on the other one"
        fakes[1].show("")
        await eye.until(lambda sight: sight.server and sight.seen is None)
        fakes[1].show(P2.format(1))
        await eye.until(is_there)
        assert tracker.client.targets["P2"].server == 1


async def test_who_watches_what_has_not_changed_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, eyes = FakeServer(), [Eye(), Eye()]
    found: list[str] = []
    find = Watch.find

    def counted(watch: Watch, listing: Listing) -> Sight:
        found.append(watch.name)
        return find(watch, listing)

    monkeypatch.setattr(Watch, "find", counted)
    async with tracked(fake) as tracker:
        tracker.watch("P1", eyes[0])
        tracker.watch("P2", eyes[1])
        fake.show(P1.format(1) + P2.format(2))
        await eyes[1].until(is_there)
        found.clear()
        fake.show(P1.format(1) + P2.format(3))
        await eyes[1].until(lambda sight: sight.seen is not None and sight.seen.transport_id == "3")
        assert found == ["P2"]


async def test_a_phone_for_which_its_server_has_no_room_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adb_tracker, "PHONES_LIMIT", 2)
    fake, eye = FakeServer(), Eye()
    async with tracked(fake) as tracker:
        tracker.watch("10.0.0.1:5555", eye)
        fake.show(P1.format(1) + P2.format(2))
        assert "raise [adb] servers" in (await eye.until(lambda sight: bool(sight.why))).why
        assert fake.connections == 1, "it was not told to connect to one more"
        fake.show(P1.format(1))
        async with asyncio.timeout(5):
            while fake.connections == 1:
                await asyncio.sleep(0.02)


@pytest.fixture
async def two_servers(server: Server, tmp_path: Path) -> AsyncIterator[tuple[Server, Server]]:
    other = Server(tmp_path)
    await other.start()
    yield server, other
    other.kill()


async def test_phones_on_two_real_servers_come_and_go_with_their_own(two_servers: tuple[Server, Server]) -> None:
    """Each connects to its own; one server that is killed and started again leaves the other's phones online."""
    client = AdbClient(*(server.place for server in two_servers))
    tracker = DeviceTracker(client=client, folder=two_servers[0].folder)
    tracker.start()
    ports: dict[int, list[int]] = {0: [], 1: []}
    while min(map(len, ports.values())) < 2:
        port = free_port()
        ports[client.server_for(f"127.0.0.1:{port}")].append(port)
    phones = [
        VirtualPhone(identity=Identity(serial=f"T{port}", release=14), port=port, scale=0.01, fork_delay=0)
        for port in (*ports[0], *ports[1])
    ]
    try:
        async with AsyncExitStack() as stack:
            for phone in phones:
                await stack.enter_async_context(phone)
            slots, ears = [AdbPhone(serial=phone.serial, tracker=tracker) for phone in phones], [Ear() for _ in phones]
            for slot, ear in zip(slots, ears, strict=True):
                slot.start(ear)
                stack.push_async_callback(slot.close)
            for ear in ears:
                await ear.link(Link.ONLINE)
            on = [client.server_for(phone.serial) for phone in phones]
            for number, server in enumerate(two_servers):
                listed = await AdbClient(server.place).devices()
                assert {*listed} == {phone.serial for phone, at in zip(phones, on, strict=True) if at == number}
            for slot in slots:
                await slot.look()
            for ear in ears:
                ear.heard.clear()
            two_servers[1].kill()
            theirs = [ear for ear, at in zip(ears, on, strict=True) if at == 1]
            for ear in theirs:
                await ear.link(Link.UNKNOWN)
            for slot, at in zip(slots, on, strict=True):
                if at == 0:
                    await slot.look()
            await two_servers[1].start()
            for ear in theirs:
                await ear.link(Link.ONLINE)
            assert not [link for ear in ears if ear not in theirs for link in ear.links()]
    finally:
        await tracker.stop()


# --- one phone, several names -------------------------------------------------------------------------------------


async def test_a_phone_is_given_to_the_first_who_watches_it_and_then_to_the_next() -> None:
    fake, first, second = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        by_serial = tracker.watch("P1", first)
        by_place = tracker.watch("usb:1-2.3", second)
        fake.show(P1.format(1))
        await first.until(is_there)
        assert (await second.until(is_taken)).why == "the phone P1 is in use as P1 already"
        assert tracker.holds(by_serial) and not tracker.holds(by_place)
        tracker.unwatch(by_serial)
        await second.until(is_there)
        assert tracker.holds(by_place)


async def test_the_same_serial_twice_is_one_phone() -> None:
    fake, first, second = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        one = tracker.watch("P1", first)
        two = tracker.watch("P1", second)
        fake.show(P1.format(1))
        await first.until(is_there)
        await second.until(is_taken)
        tracker.unwatch(two)
        assert tracker.holds(one)
        fake.show("")
        await first.until(lambda sight: sight.seen is None)


async def test_who_has_a_phone_keeps_it_over_a_replug_into_somebody_elses_place() -> None:
    fake, place, serial = FakeServer(), Eye(), Eye()
    async with tracked(fake) as tracker:
        by_place = tracker.watch("usb:1-2.3", place)
        by_serial = tracker.watch("P1", serial)
        fake.show(P1.format(1).replace("1-2.3", "1-2.7"))
        await serial.until(is_there)
        fake.show("")
        await serial.until(lambda sight: sight.seen is None)
        fake.show(P1.format(2))
        await serial.until(is_there)
        await place.until(is_taken)
        assert tracker.holds(by_serial) and not tracker.holds(by_place)
        fake.show(P1.format(2).replace("1-2.3", "1-2.7") + P2.format(3).replace("1-2.4", "1-2.3"))
        assert (await place.until(is_there)).seen is not None  # another phone in that place is that place's


async def test_nobody_holds_a_phone_that_is_not_listed() -> None:
    fake, eye = FakeServer(), Eye()
    async with tracked(fake) as tracker:
        watch = tracker.watch("P1", eye)
        assert not tracker.holds(watch)
        fake.show(P1.format(1))
        await eye.until(is_there)
        assert tracker.holds(watch)
        fake.show("")
        await eye.until(lambda sight: sight.seen is None)
        assert not tracker.holds(watch)


Start = Callable[[str], Awaitable[tuple[AdbPhone, Ear]]]


@pytest.fixture
async def start(tracker: DeviceTracker) -> AsyncIterator[Start]:
    """Starts a phone by name; closes all of them at the end."""
    phones: list[AdbPhone] = []

    async def start(name: str) -> tuple[AdbPhone, Ear]:
        phone, ear = AdbPhone(serial=name, tracker=tracker), Ear()
        phones.append(phone)
        phone.start(ear)
        return phone, ear

    yield start
    for phone in phones:
        await phone.close()


@pytest.mark.parametrize("handset", [14], indirect=True)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_of_two_slots_with_one_phone_only_the_first_uses_it(
    start: Start, handset: VirtualPhone, host: str
) -> None:
    """The second name is the same serial, or another address of the same phone, which adb lists as another one."""
    first, ear = await start(handset.serial)
    await ear.link(Link.ONLINE)
    await first.look()
    second, other_ear = await start(f"{host}:{handset.port}")

    def taken(report: Report) -> bool:
        return isinstance(report, LinkChanged) and report.link is Link.ABSENT and "in use as" in report.detail

    await other_ear.until(taken)
    for attempt in (dial(second, OURS), second.look(), second.hang_up(None), dial(second, OURS)):
        with pytest.raises(PhoneUnreachable, match=f"in use as {handset.serial} already"):
            await attempt
    await dial(first, OURS)
    await ear.phase(CallPhase.ACTIVE)
    assert handset.dials == {OURS: 1} and not other_ear.calls()
    await first.hang_up(None)
    other_ear.heard.clear()
    await first.close()
    await other_ear.until(lambda report: isinstance(report, LinkChanged) and report.link is Link.ONLINE, 15.0)
    await dial(second, OURS)
    assert handset.dials == {OURS: 2}


@pytest.mark.parametrize("handset", [14], indirect=True)
async def test_two_slots_that_dial_one_phone_before_anybody_looked_dial_once(
    start: Start, handset: VirtualPhone
) -> None:
    phones = [(await start(f"{host}:{handset.port}"))[0] for host in ("127.0.0.1", "localhost", "127.0.0.1")]

    async def try_to_dial(phone: AdbPhone) -> bool:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await dial(phone, OURS)
                except PhoneUnreachable as error:
                    if "in use" in str(error):
                        return False
                    await asyncio.sleep(0.02)
                else:
                    return True

    assert sorted(await asyncio.gather(*map(try_to_dial, phones))) == [False, False, True]
    assert handset.dials == {OURS: 1}


# --- the watch of a phone -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("handset", [14], indirect=True)
async def test_a_part_of_the_watch_that_fails_costs_no_other_part(
    start: Start, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(self: AdbPhone) -> None:
        raise ValueError("not a number")

    async def ends(self: AdbPhone) -> None:
        return

    monkeypatch.setattr(AdbPhone, "_read_health_once", fails)
    monkeypatch.setattr(AdbPhone, "_check_liveness", ends)
    phone, ear = await start(handset.serial)
    await ear.link(Link.ONLINE)
    await asyncio.sleep(0.5)
    await phone.look()
    await dial(phone, OURS)
    seen = await ear.phase(CallPhase.ACTIVE)
    await phone.hang_up(seen.ref)
    await ear.phase(CallPhase.DISCONNECTED)
    assert phone._watching is not None and not phone._watching.done()


@pytest.mark.parametrize("handset", [14], indirect=True)
async def test_a_line_of_the_log_that_cannot_be_read_does_not_end_the_watch(
    start: Start, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, failed = PhoneCalls.read_line, []

    def once(self: PhoneCalls, line: str, boot: str) -> None:
        if not failed:
            failed.append(line)
            raise ValueError(line)
        read(self, line, boot)

    monkeypatch.setattr(PhoneCalls, "read_line", once)
    phone, ear = await start(handset.serial)
    await ear.link(Link.ONLINE)
    await phone.look()
    await dial(phone, OURS)
    await ear.phase(CallPhase.ACTIVE)
    assert failed


@pytest.mark.parametrize("handset", [14], indirect=True)
async def test_of_two_hosts_with_one_phone_only_the_first_uses_it(
    start: Start, handset: VirtualPhone, server: Server
) -> None:
    first, ear = await start(handset.serial)
    await ear.link(Link.ONLINE)
    await first.look()
    other = DeviceTracker(client=AdbClient(server.place), folder=server.folder)
    other.start()
    second, other_ear = AdbPhone(serial=handset.serial, tracker=other), Ear()
    second.start(other_ear)
    try:
        await other_ear.link(Link.ABSENT)
        for attempt in (dial(second, OURS), second.look(), dial(second, OURS)):
            with pytest.raises(PhoneUnreachable, match="in use by another process"):
                await attempt
        await dial(first, OURS)
        await ear.phase(CallPhase.ACTIVE)
        assert handset.dials == {OURS: 1} and not other_ear.calls()
        await first.hang_up(None)
        await ear.phase(CallPhase.DISCONNECTED)
        await first.close()
        await second.look()  # free now
        await dial(second, "+380991230008")
        assert handset.dials == {OURS: 1, "+380991230008": 1}
    finally:
        await second.close()
        await other.stop()
