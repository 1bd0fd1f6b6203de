"""kill -9 of any process of a site of two hosts and two gateways, while a campaign dials: no lead is dialled twice for
one attempt, none is lost, and the counts are those of the phones' own log, which is in a process that is not killed."""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from bus_schemas.call import EndReason
from bus_schemas.campaign import ABANDONED, ANSWERED, CampaignAttemptClaimed, CampaignAttemptEnded
from simulators.carrier.rules import mobile
from tests.support.beside import Beside, beside
from tests.support.site import Client, Site, running_site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("OTTB_TEST_KILLS", "20"))
SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 31))
HOSTS = {slot: "a" if slot < 21 else "b" for slot in SLOTS}
VICTIMS = ("actors", "actors-b", "gateway", "gateway-2", "nats-server", "adb")
ID, RUN, ALL = "killed", "/api/autodialer/run-campaign", "/api/autodialer/campaigns"
TALKS, BUSY = "2003", "0001"
FEW, MORE = 100, 200  # leads that nobody was called for, below which more are given, and so many
LONGEST = 900.0  # seconds for all kills
SOON = 20.0  # seconds until a process is there again, and somebody is dialled
LATER = 420.0  # until all of them are called, those too whose call was wanted and never made
SITE = """
[dial]
slot_calls_per_hour = 100000
[campaigns]
presets = []
[calls]
lost_timeout = 20.0
"""
# Ends after which nobody knows whether a phone has dialled, or whether somebody answered.
IN_DOUBT = frozenset({EndReason.UNKNOWN, EndReason.PHONE_LOST, EndReason.NETWORK})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("killed"), SLOTS, SITE, hosts=HOSTS) as running:
        yield running


class Dialled:
    """A campaign that is asked of, and given leads, whoever is dead meanwhile."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.wanted: list[str] = []

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Again and again, until it is answered."""
        give_up = asyncio.get_running_loop().time() + 60.0
        while True:
            try:
                async with asyncio.timeout(30):
                    status, answer = await self._client.call(method, path, body)
                if status in (200, 201):
                    return answer
                said = f"{status} {answer}"
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                said = repr(error)
            assert asyncio.get_running_loop().time() < give_up, said
            await asyncio.sleep(0.2)

    async def view(self) -> Any:
        return await self.ask("GET", f"{ALL}/{ID}")

    async def give(self) -> None:
        """More leads, where there are few."""
        found = await self.view() if self.wanted else {"by_status": {}}
        if found["by_status"].get("new", 0) >= FEW:
            return
        first = len(self.wanted)  # a place has one number of each
        more = [mobile(place // 2, TALKS if place % 2 else BUSY) for place in range(first, first + MORE)]
        self.wanted += more
        await self.ask("POST", RUN, {"campaign_id": ID, "leads": [{"number": number} for number in more]})

    async def dials(self) -> Counter[str]:
        return Counter(await self._client.phones("GET", "/dials"))


async def soon(happened: Any) -> bool:
    """Whether it happens soon."""
    give_up = asyncio.get_running_loop().time() + SOON
    while not (found := await happened()):
        if asyncio.get_running_loop().time() > give_up:
            return False
        await asyncio.sleep(0.1)
    return bool(found)


async def killed(there: Beside, dialled: Dialled, chance: random.Random) -> str:
    """Kill one of them at any moment, and have the others go on until somebody is dialled."""
    await asyncio.sleep(chance.uniform(0.0, 1.5))
    name = chance.choice(VICTIMS)
    before, old = (await dialled.dials()).total(), there.pid(name)
    if there.signal(name, signal.SIGKILL) is None:
        return ""

    async def again() -> bool:
        return there.pid(name) not in (None, old) and (await dialled.dials()).total() > before + 1

    if not await soon(again):
        await dialled.give()
    return name


async def on_record(site: Site) -> tuple[list[CampaignAttemptClaimed], list[CampaignAttemptEnded]]:
    """The attempts in the journal, and their ends."""
    password = json.loads((Path(site.state) / "secrets.json").read_text())["core"]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{site.nats_port}", name="judge", user="core", password=password)
    claims, ends = list[CampaignAttemptClaimed](), list[CampaignAttemptEnded]()
    async for entry in bus.replay(f"ottb.v1.evt.campaign.{ID}.attempt_claimed"):
        claims.append(msgspec.json.decode(entry.data, type=CampaignAttemptClaimed))
    async for entry in bus.replay(f"ottb.v1.evt.campaign.{ID}.attempt_ended"):
        ends.append(msgspec.json.decode(entry.data, type=CampaignAttemptEnded))
    await bus.close()
    return claims, ends


async def until_all_are_called(dialled: Dialled) -> Any:
    """The campaign, once nobody is left to be called; or those alone whose call was wanted and never made."""
    give_up = asyncio.get_running_loop().time() + LATER
    while (found := await dialled.view())["status"] != "finished":
        assert asyncio.get_running_loop().time() < give_up, (found, await dialled.ask("GET", f"{ALL}/{ID}/explain"))
        await asyncio.sleep(2.0)
    return found


async def test_kills_of_any_process_repeat_no_dial_and_lose_no_lead(site: Site) -> None:
    chance, kills = random.Random(KILLS), Counter[str]()
    async with aiohttp.ClientSession() as session, beside(site, "b") as there:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        dialled = Dialled(client)
        await dialled.ask("POST", ALL, {"campaign_id": ID, "settings": {"attempts_per_lead": 1}})
        await dialled.give()
        give_up = asyncio.get_running_loop().time() + LONGEST
        while kills.total() < KILLS and asyncio.get_running_loop().time() < give_up:
            if name := await killed(there, dialled, chance):
                kills[name] += 1
            await dialled.give()
        found = await until_all_are_called(dialled)
        dials, (claims, ends) = await dialled.dials(), await on_record(site)
        hours = await dialled.ask("GET", f"{ALL}/{ID}/report?day={found['created'][:10]}")
    outcomes = Counter(end.outcome for end in ends)
    print(
        f"\n{kills.total()} kills {dict(kills)}, {len(dialled.wanted)} leads, {len(claims)} attempts, "
        f"{dials.total()} dials, most often {max(dials.values())} of a number, {dict(outcomes)}"
    )
    judge(dialled.wanted, dials, claims, ends)
    assert found["leads"] == len(dialled.wanted) == sum(found["by_status"].values())
    assert (found["attempts"], found["in_progress"]) == (len(claims), 0)
    assert found["answered"] == outcomes[ANSWERED] + outcomes[ABANDONED]
    assert found["not_dialed"] == outcomes[EndReason.NOT_DIALED]
    if found["created"][:10] == max(claim.at for claim in claims)[:10]:
        assert sum(hour["contacts"] for hour in hours) == outcomes[ANSWERED]
        assert sum(hour["attempts"] for hour in hours) == len(claims)


def judge(
    wanted: list[str], dials: Counter[str], claims: list[CampaignAttemptClaimed], ends: list[CampaignAttemptEnded]
) -> None:
    """Each attempt has one end. Who was dialled was claimed for it; what is said to be dialled was, and once."""
    begun = {(claim.place, claim.attempt): claim.number for claim in claims}
    over = {(end.place, end.attempt): end.outcome for end in ends}
    assert len(begun) == len(claims) and len(over) == len(ends) and begun.keys() == over.keys()
    assert set(dials) <= set(wanted) and {*begun.values()} == {*wanted}, "somebody was lost, or is nobody's lead"
    sure, perhaps = Counter[str](), Counter[str]()
    for key, outcome in over.items():
        sure[begun[key]] += outcome not in (EndReason.NOT_DIALED, *IN_DOUBT)
        perhaps[begun[key]] += outcome != EndReason.NOT_DIALED
    wrong = {number: (dials[number], sure[number], perhaps[number]) for number in wanted
             if not sure[number] <= dials[number] <= perhaps[number]}  # fmt: skip
    assert not wrong, f"dialled, surely, perhaps: {wrong}"
    assert max(perhaps.values()) == 1, "one attempt of a lead was allowed"
    talked = Counter(begun[key][-4:] for key, outcome in over.items() if outcome == ANSWERED)
    assert talked.keys() <= {TALKS}
