from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient
from bench.parts import adb_server
from tests.adapters.host_client_contract import HostClientContract
from tests.adapters.test_host_client_virtual import BIG
from tests.live.adbd import real_adbd
from tests.support.site import until


@pytest.mark.live
@pytest.mark.timeout(300)
class TestRealAdbd(HostClientContract):
    @pytest.fixture
    async def client(self, tmp_path: Path) -> AsyncIterator[AdbClient]:
        async with adb_server(tmp_path) as place:
            yield AdbClient(place)

    @pytest.fixture
    async def serial(self, client: AdbClient) -> AsyncIterator[str]:
        async with real_adbd() as (folder, port):
            (folder / "big").write_bytes(BIG)
            serial = f"127.0.0.1:{port}"
            await until(lambda: client.connect(serial), lambda said: "connected" in said)
            yield serial
