"""Two hosts of one site as real processes: one that stands still, whichever has the board, is one alert of the other's,
and what fired before it is not told again."""

import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.stories.test_alerts import RULES
from tests.support.beside import HOST, beside
from tests.support.mail_server import MailServer
from tests.support.site import Client, running_site, until

pytestmark = pytest.mark.faults
SLOTS = {11: None, 12: None}
GONE = """
[rules.host_gone]
state = "host.gone"
seconds = 1
resolve_after = 2
severity = "critical"
words = "Host {id} is gone"
"""


@pytest.mark.parametrize("stopped", ["actors", HOST])
async def test_a_host_that_stands_still_is_one_alert_whoever_has_the_board(tmp_path: Path, stopped: str) -> None:
    (tmp_path / "alerts.toml").write_text(f"host_silent = 10\n{RULES}{GONE}")
    async with MailServer() as mails:
        smtp = f'host = "127.0.0.1"\nport = {mails.port}\ntls = "none"\nsender = "ottb@example.com"\n'
        more = f'[alerts]\nrules = "{tmp_path}/alerts.toml"\n[alerts.smtp]\n{smtp}[healing]\nenabled = false\n'
        with running_site(tmp_path, SLOTS, more, hosts={11: "one", 12: "two"}) as site:
            async with beside(site, "two") as both, aiohttp.ClientSession() as session:
                admin = Client(site, session)
                await admin.login("admin", site.admin_password)

                async def firing() -> list[str]:
                    status, found = await admin.get("/api/monitor/alerts")
                    return [f"{one['rule']} {one['id']}" for one in found] if status == 200 else ["?"]

                async def watched() -> Any:
                    bodies = [await admin.get(f"/api/slots/{slot}") for slot in SLOTS]
                    return [body.get("status") for _, body in bodies]

                await until(watched, lambda seen: seen == ["ONLINE", "ONLINE"], 60)
                await until(firing, lambda found: found == [], 30)
                mine, theirs = ("11", "one") if stopped == HOST else ("12", "two")
                gone = "two" if stopped == HOST else "one"
                await admin.phones("POST", f"/phones/{mine}/unauthorized")
                await until(firing, lambda found: found == [f"phone_away {mine}"], 40)
                both.signal(stopped, signal.SIGSTOP)
                wanted = {f"phone_away {mine}", f"host_gone {gone}"}
                await until(firing, lambda found: set(found) == wanted, 90)
                both.signal(stopped, signal.SIGCONT)
                await until(firing, lambda found: found == [f"phone_away {mine}"], 90)
                await admin.phones("POST", f"/phones/{mine}/allow")
                await until(firing, lambda found: found == [], 60)
                _, over = await admin.get("/api/monitor/alerts?state=resolved")
                assert sorted(one["rule"] for one in over) == ["host_gone", "phone_away"], over
                assert {one["host"] for one in over} == {gone, theirs}
