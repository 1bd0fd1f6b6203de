from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.panoramisk_contract import PanoramiskContract
from tests.support.pbx import Address, real_pbx


@pytest.mark.live
@pytest.mark.timeout(300)
class TestPanoramiskOnARealAsterisk(PanoramiskContract):
    @pytest.fixture
    async def address(self, tmp_path: Path) -> AsyncIterator[Address]:
        async with real_pbx(tmp_path) as address:
            yield address
