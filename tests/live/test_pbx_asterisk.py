from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.pbx_contract import PbxContract
from tests.support.pbx import Address, real_pbx


@pytest.mark.live
@pytest.mark.timeout(900)
class TestRealAsterisk(PbxContract):
    @pytest.fixture
    async def address(self, tmp_path: Path) -> AsyncIterator[Address]:
        async with real_pbx(tmp_path) as address:
            yield address
