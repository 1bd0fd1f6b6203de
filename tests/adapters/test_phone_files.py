"""A phone's file service over the real adb server: what goes comes back, and what breaks off is nothing."""

import hashlib
import os
from collections.abc import AsyncIterator

import pytest

from actors.adapters.adb import AdbClient
from actors.adapters.phone_files import AdbTools
from actors.slot.phone import PhoneError, PhoneRefused
from simulators.phone.android import FILES_LIMIT, Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Server
from tests.adapters.phone_files_contract import PhoneFilesContract
from tests.support.site import until


class TestVirtualPhone(PhoneFilesContract):
    @pytest.fixture
    async def tools(self, server: Server, handset: VirtualPhone) -> AdbTools:
        client = AdbClient(server.place)
        await until(lambda: client.connect(handset.serial), lambda said: "connected" in said)
        return AdbTools(client=client, name=handset.serial)

    @pytest.fixture
    async def handset(self) -> AsyncIterator[VirtualPhone]:
        async with VirtualPhone(identity=Identity(serial="T1"), fork_delay=0) as phone:
            yield phone

    async def test_a_full_phone_says_so(self, tools: AdbTools, handset: VirtualPhone) -> None:
        handset.android.files["/sdcard/huge"] = bytes(FILES_LIMIT)
        writer = await tools.writer("/sdcard/more", 0o100644)
        await writer.write(b"x" * 1000)
        with pytest.raises(PhoneRefused, match="No space left"):
            await writer.finish()

    async def test_a_phone_that_goes_is_an_error_in_time(self, tools: AdbTools, handset: VirtualPhone) -> None:
        handset.android.files["/sdcard/big"] = os.urandom(8 * 2**20)
        reader = await tools.reader("/sdcard/big")
        assert len(await reader.read(100_000)) == 100_000
        await handset.unplug()
        with pytest.raises(PhoneError):
            while await reader.read(1_000_000):
                pass

    async def test_a_slow_reader_is_waited_for(self, tools: AdbTools, handset: VirtualPhone) -> None:
        content = os.urandom(3 * 2**20)
        handset.android.files["/sdcard/big"] = content
        reader, digest = await tools.reader("/sdcard/big"), hashlib.sha256()
        while piece := await reader.read(70_001):
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(content).digest()
