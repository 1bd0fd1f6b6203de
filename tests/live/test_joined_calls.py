"""A campaign that dials more calls than there are operators ready, on a whole site with a real Asterisk: who answers is
in silence there, and is redirected to the operator's own extension, or hung up."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.faults.pbx_load import LIMITS, TRUNK, usable
from tests.support.site import Client, running_site
from tests.support.team_calls import taken_to_an_operator

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
MORE = f"[campaigns]\npresets = []\n{LIMITS}{TRUNK}"


async def test_asterisk_takes_who_answers_to_the_operator_who_is_ready(tmp_path: Path) -> None:
    with running_site(tmp_path, {11: None, 44: "op12"}, MORE, asterisk=True) as site:
        async with aiohttp.ClientSession() as session:
            admin, operator = Client(site, session), Client(site, session)
            await asyncio.gather(admin.login("admin", site.admin_password), operator.login("op12", "1234"))
            await usable(admin)
            await taken_to_an_operator(operator, admin, "op12")
