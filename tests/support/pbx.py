"""PBXs for tests, virtual and real, and a wire between them and us that can be cut at any byte."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from actors.adapters.asterisk import Asterisk
from actors.telephony.reports import CallSeen
from actors.trunk.pbx import Originate, PbxLink
from actors.trunk.settings import Ami
from bench.parts import free_port, process
from bus_schemas.trunk import TrunkConfig
from cli.site import asterisk as real
from cli.site.probes import ami_answers
from simulators.pbx.channel import Trunk
from simulators.pbx.virtual_pbx import VirtualPbx
from tests.support.site import PATIENCE

SECRET = "test-secret"
ENDPOINTS = ("trunk-1", "trunk-2")
# Slots whose extensions do not just give a tone: what they do on a virtual PBX, and the dialplan that has it done on a
# real one, with numbers of the carrier as their phones.
EXTENSIONS = {
    81: ("offline", "Dial(PJSIP/slot81)"),
    82: ("busy", "Dial(PJSIP/+380990000001@trunk-1)"),
    83: ("silent", "Dial(PJSIP/+380990000002@trunk-1,1)"),
    84: ("fails", "Dial(PJSIP/+380990000005@trunk-1)"),
    85: ("taken", "Dial(PJSIP/+380991234567@trunk-1)"),
}


@dataclass
class Address:
    """Where a PBX is, and what is needed to use it."""

    port: int
    recordings: Path
    virtual: VirtualPbx | None = None
    secret: str = SECRET
    sip_port: int = 0  # of a real one


@asynccontextmanager
async def virtual_pbx(
    folder: Path, *, scale: float = 0.2, trunks: Mapping[str, Trunk] | None = None
) -> AsyncIterator[Address]:
    trunks = trunks or {name: Trunk() for name in ENDPOINTS}
    pbx = VirtualPbx(user="ottb", secret=SECRET, trunks=trunks, scale=scale, recordings=folder / "recordings")
    pbx.calls.extensions.update({str(slot): state for slot, (state, _) in EXTENSIONS.items()})
    await pbx.start(0)
    try:
        yield Address(port=pbx.port, recordings=folder / "recordings", virtual=pbx)
    finally:
        await pbx.stop()


@asynccontextmanager
async def real_pbx(
    folder: Path,
    *,
    scale: float = 0.2,
    far_port: int | None = None,
    more: Mapping[str, str] | None = None,
    far_more: Mapping[str, str] | None = None,
) -> AsyncIterator[Address]:
    """A real Asterisk, and a second one as the carrier unless somebody else plays it on `far_port`. `more`, `far_more`:
    what is added to their settings, by file; `${far_port}`, `${sip_port}` and `${etc}`, their folder, are filled in."""
    root = await asyncio.to_thread(real.ensure, lambda line: print(f"\nlive: {line}", flush=True))
    ami, sip, far = free_port(), free_port(), far_port or free_port()
    near = real.pbx(
        root, folder, user="ottb", secret=SECRET, ami_port=ami, sip_port=sip, far_port=far, endpoints=ENDPOINTS
    )
    _add(near, root, {"extensions.conf": slots_dialplan()}, far_port=far, sip_port=sip)
    _add(near, root, more or {}, far_port=far, sip_port=sip)
    async with contextlib.AsyncExitStack() as stack:
        if root != Path("/"):  # also after a test that fails
            stack.callback(shutil.rmtree, near.folder.parent, ignore_errors=True)
        if far_port is None:
            carrier = real.carrier(root, folder, sip_port=far, scale=scale)
            _add(carrier, root, far_more or {}, far_port=far, sip_port=sip)
            await stack.enter_async_context(process(*carrier.argv))
        await stack.enter_async_context(process(*near.argv))
        async with asyncio.timeout(PATIENCE):
            while not await ami_answers(ami):
                await asyncio.sleep(0.05)
        yield Address(port=ami, recordings=near.recordings, sip_port=sip)


def _add(instance: real.Instance, root: Path, more: Mapping[str, str], **ports: int) -> None:
    etc = instance.folder / "etc"
    for file, text in more.items():
        with (etc / file).open("a") as settings:
            settings.write(Template(text).safe_substitute(ports, etc=Path("/") / etc.relative_to(root)))


def slots_dialplan() -> str:
    """The extensions that do not just give a tone, for a real PBX."""
    extensions = (f"exten => {slot},1,{dial}\n same => n,Hangup()\n" for slot, (_, dial) in EXTENSIONS.items())
    slots = "".join(extensions)
    return f"\n[ottb-slots](+)\n{slots}\n[ottb-operators](+)\n{slots}"


class Wire:
    """A TCP connection with us in the middle: counts what goes to the PBX, and breaks or stands still on demand."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self.sent = bytearray()  # to the PBX
        self.still = False
        self.cut_after: bytes | None = None  # cut as soon as this has gone out, before any answer
        self.cuts = 0
        self.port = 0

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        self.cuts += 1
        for near, far in list(self._pairs):
            near.transport.abort()
            far.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._out(reader, far_writer), self._back(far_reader, writer))
        self._pairs.discard(pair)
        writer.close()
        far_writer.close()

    async def _out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.sent += data
            if self.still:
                continue
            writer.write(data)
            if self.cut_after is not None and self.cut_after in data:
                self.cut_after, self.still = None, True
                await writer.drain()
                await asyncio.sleep(0.05)  # it has to be read there
                self.still = False
                self.cut()
                return
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.still:
                writer.write(data)
        writer.close()


@dataclass
class Subject:
    """The adapter under test, with what it has reported."""

    asterisk: Asterisk
    wire: Wire
    address: Address
    trunk: TrunkConfig
    heard: list[Any] = field(default_factory=list)

    async def dial(
        self, call_id: str, number: str, *, slot: int | None = 12, ring: float = 60.0, recording: str | None = None
    ) -> None:
        order = Originate(
            call_id=call_id, number=number, slot=slot, ring_timeout=ring, max_duration=60.0, recording=recording
        )
        await self.asterisk.originate(self.trunk, order)

    async def until(self, accept: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
        """The first report, from the beginning, that is as wanted."""
        give_up = asyncio.get_running_loop().time() + seconds
        while True:
            for report in self.heard:
                if accept(report):
                    return report
            assert asyncio.get_running_loop().time() < give_up, f"after {seconds} s only: {self.heard}"
            await asyncio.sleep(0.02)

    def calls(self, call_id: str) -> list[CallSeen]:
        return [report for report in self.heard if isinstance(report, CallSeen) and report.ref == call_id]

    async def linked(self) -> PbxLink:
        found: PbxLink = await self.until(lambda report: isinstance(report, PbxLink) and report.up)
        return found


@asynccontextmanager
async def subject(
    address: Address,
    *,
    secret: str | None = None,
    endpoint: str = "trunk-1",
    context: str = "ottb-slots",
    registration: str | None = None,
) -> AsyncIterator[Subject]:
    """An adapter, connected to the PBX over a wire that can be cut."""
    async with Wire(address.port) as wire:
        settings = Ami(
            port=wire.port, secret=secret or address.secret, context=context, recordings=str(address.recordings),
            operators_context="ottb-operators",
        )  # fmt: skip
        trunk = TrunkConfig(
            name="trunk-1", endpoint=endpoint, caller_id="+380441234567", registration=registration
        )  # fmt: skip
        one = Subject(asterisk=Asterisk("main", settings, prefix="test"), wire=wire, address=address, trunk=trunk)
        one.asterisk.attach(trunk, one.heard.append)
        one.asterisk.start()
        try:
            yield one
        finally:
            await one.asterisk.stop()
