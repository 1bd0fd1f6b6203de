from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient
from actors.adapters.phone_files import AdbTools
from bench.parts import adb_server
from tests.adapters.phone_files_contract import PhoneFilesContract
from tests.live.adbd import real_adbd
from tests.support.site import until


@pytest.mark.live
@pytest.mark.timeout(300)
class TestRealAdbd(PhoneFilesContract):
    @pytest.fixture
    async def tools(self, tmp_path: Path) -> AsyncIterator[AdbTools]:
        async with adb_server(tmp_path) as place, real_adbd() as (folder, port):
            (folder / "data/local/tmp").mkdir(parents=True, exist_ok=True)
            client, serial = AdbClient(place), f"127.0.0.1:{port}"
            await until(lambda: client.connect(serial), lambda said: "connected" in said)
            yield AdbTools(client=client, name=serial)
