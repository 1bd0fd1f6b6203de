from collections.abc import AsyncIterator

import pytest

from actors.adapters.adb import AdbClient
from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Server
from tests.adapters.host_client_contract import HostClientContract
from tests.support.site import until

BIG = b"0123456789abcdef" * (3_000_000 // 16)


class TestVirtualPhone(HostClientContract):
    @pytest.fixture
    async def client(self, server: Server) -> AdbClient:
        return AdbClient(server.place)

    @pytest.fixture
    async def serial(self, client: AdbClient) -> AsyncIterator[str]:
        async with VirtualPhone(identity=Identity(serial="T1"), fork_delay=0) as phone:
            phone.android.files["/big"] = BIG
            await until(lambda: client.connect(phone.serial), lambda said: "connected" in said)
            yield phone.serial
