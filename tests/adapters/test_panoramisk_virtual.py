from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.panoramisk_contract import PanoramiskContract
from tests.support.pbx import Address, virtual_pbx


class TestPanoramiskOnTheVirtualPbx(PanoramiskContract):
    @pytest.fixture
    async def address(self, tmp_path: Path) -> AsyncIterator[Address]:
        async with virtual_pbx(tmp_path) as address:
            yield address
