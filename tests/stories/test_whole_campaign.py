"""A whole campaign on a sandbox of forty phones: 5,000 leads, three in ten of whom answer, judged by the phones' log.

Some minutes, so `make test` leaves it out.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.carrier.rules import OPERATORS
from tests.stories.conftest import HUBS
from tests.support.site import Client, running_site

LEADS, PHONES, ANSWERED = 5000, 40, 0.3
SCALE = 0.05  # the carrier is twenty times as fast
ANSWERS = ("2020", "2030", "2010")  # answered after a second, and hung up some seconds later
FAILS = {"0001": "busy", "0003": "rejected", "3008": "busy", "0002": "no_answer"}
SITE = f"""
[dial]
slot_calls_per_hour = 100000
[campaigns]
presets = []
{HUBS}
"""
ALL = "/api/autodialer/campaigns"


def numbers() -> list[str]:
    """Each once, in an order of chance."""
    chance = random.Random(1)
    answer = round(LEADS * ANSWERED)
    endings = [*(ANSWERS[place % 3] for place in range(answer)), *(list(FAILS)[p % 4] for p in range(LEADS - answer))]
    chance.shuffle(endings)
    places = (f"+380{OPERATORS[place // 1000]}{place % 1000:03d}" for place in range(LEADS))
    return [place + ending for place, ending in zip(places, endings, strict=True)]


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_5000_leads_on_40_phones_are_called_as_the_phones_say(tmp_path: Path) -> None:
    wanted = numbers()
    with running_site(tmp_path, dict.fromkeys(range(11, 11 + PHONES)), SITE) as site:
        async with aiohttp.ClientSession() as session:
            admin = Client(site, session)
            await admin.login("admin", site.admin_password)
            await admin.phones("POST", "/scale", {"scale": SCALE})
            settings = {"attempts_per_lead": 1}
            assert (await admin.post(ALL, {"campaign_id": "whole", "settings": settings}))[0] == 201
            body = {"campaign_id": "whole", "leads": [{"number": number} for number in wanted]}
            status, answer = await admin.post("/api/autodialer/run-campaign", body)
            assert status == 200 and answer["accepted"] == LEADS, answer
            found = await over(admin)
            dials = Counter(await admin.phones("GET", "/dials"))
            outcomes = Counter([row async for row in outcomes_of(admin)])
    assert dials == Counter(wanted)
    assert found["attempts"] == LEADS and found["in_progress"] == 0
    assert found["answered"] == outcomes["answered"] == sum(number.endswith(ANSWERS) for number in wanted)
    said = Counter(FAILS.get(number[-4:], "answered") for number in wanted)
    assert outcomes == said


async def over(admin: Client) -> Any:
    """The campaign, once it is finished."""
    while (found := (await admin.get(f"{ALL}/whole"))[1])["status"] != "finished":
        await asyncio.sleep(2.0)
    return found


async def outcomes_of(admin: Client) -> Any:
    """How the last attempt on each lead ended."""
    path = f"{ALL}/whole/leads?limit=1000"
    cursor: str | None = ""
    while cursor is not None:
        headers = {"Authorization": f"Bearer {admin.token}"}
        url = admin.site.url("ottb", path + (f"&cursor={cursor}" if cursor else ""))
        async with admin.session.get(url, headers=headers) as answer:
            rows, cursor = await answer.json(), answer.headers.get("X-Next-Cursor")
        for row in rows:
            yield row["last_outcome"]
