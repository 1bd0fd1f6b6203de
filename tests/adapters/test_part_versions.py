"""The versions of a host's parts: asked for beside everything else, and what is away costs the others nothing."""

import asyncio
import platform

import pytest

from actors.adapters import part_versions
from actors.adapters.adb import AdbClient
from actors.adapters.adb_place import AdbPort
from actors.adapters.ami import AmiDown
from actors.adapters.part_versions import Versions
from bench.parts import free_port


class Pbx:
    """One that has gone away after its first answer."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def version(self) -> str:
        if not self.answers:
            raise AmiDown("away")
        return self.answers.pop(0)


class SlowPbx:
    async def version(self) -> str:
        await asyncio.sleep(3600)
        return "never"


async def _adb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    assert await reader.readexactly(16) == b"000chost:version"
    writer.write(b"OKAY00040029")
    await writer.drain()
    writer.close()


async def test_each_part_says_its_own_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_versions, "PATIENCE", 0.2)
    server = await asyncio.start_server(_adb, "127.0.0.1", 0)
    there, away = server.sockets[0].getsockname()[1], free_port()
    client = AdbClient(AdbPort("127.0.0.1", away), AdbPort("127.0.0.1", there))
    versions = Versions(
        nats=lambda: "2.12.1", adb=client, pbxs={"slow": SlowPbx(), "main": Pbx("22.6.0")}, git="2.39.5"
    )
    assert (versions.now().adb, versions.now().asterisk, versions.now().nats_server) == (None, {}, "2.12.1")
    for _ in range(2):
        await versions.look()
        seen = versions.now()
        assert (seen.adb, seen.asterisk, seen.git, seen.bubblewrap) == ("1.0.41", {"main": "22.6.0"}, "2.39.5", None)
    assert seen.python == platform.python_version()
    server.close()
