"""Imports in the world of campaigns (`tests/campaign/world.py`), as somebody at a gateway sees them."""

import asyncio
from collections.abc import Sequence

from actors.imports.actor import ImportActor
from actors.runtime import files
from actors.runtime.files import FileWriter
from actors.runtime.rendezvous import shard_of
from bus_schemas.campaign import CREATE_CAMPAIGN, CreateCampaign
from bus_schemas.imports import (
    CANCEL_IMPORT,
    CREATE_IMPORT,
    GET_IMPORT,
    IMPORT_ERRORS,
    OVER,
    PREVIEW_IMPORT,
    START_IMPORT,
    CancelImport,
    CreateImport,
    GetImport,
    ImportPreview,
    ImportStatus,
    ImportView,
    StartImport,
)
from bus_schemas.lead import LIST_LEADS, LeadView, ListLeads
from simulators.carrier.rules import mobile
from simulators.world.world import Life
from tests.campaign.world import Campaigns

LONG = "9999"


def table(rows: int, *, bad: Sequence[int] = (), first: int = 0) -> bytes:
    """A list of so many rows below its header. `bad`: those that hold no number."""
    lines = ["Телефон;ПІБ"]
    for row in range(first, first + rows):
        lines.append(f"{'none' if row in bad else mobile(row, LONG)};Олена {row}")
    return "\n".join(lines).encode("cp1251")


class Imports:
    """What is asked of imports."""

    def __init__(self, site: Campaigns) -> None:
        self.site = site
        self.world = site.world

    async def campaign(self, id: str = "c1") -> None:
        await self.site.until_done(CREATE_CAMPAIGN, CreateCampaign(campaign_id=id))

    async def send(self, data: bytes, *, campaign: str = "c1", begin: bool = False, run: bool = False) -> ImportView:
        self.site.commands += 1
        writer = FileWriter(self.world.gateways[0], f"file{self.site.commands}")
        await writer.add(data)
        wanted = CreateImport(
            campaign_id=campaign, name="leads.csv", begin=begin, run=run, file=await writer.finish()
        )
        return await self.site.until_done(CREATE_IMPORT, wanted)

    async def view(self, id: str) -> ImportView:
        return await self.site.until_done(GET_IMPORT, GetImport(import_id=id), after=len(self.world.broker.journal))

    async def preview(self, id: str) -> ImportPreview:
        return await self.site.until_done(PREVIEW_IMPORT, GetImport(import_id=id))

    async def start(self, id: str) -> ImportView:
        return await self.site.until_done(START_IMPORT, StartImport(import_id=id))

    async def cancel(self, id: str) -> ImportView:
        return await self.site.until_done(CANCEL_IMPORT, CancelImport(import_id=id))

    async def until(self, id: str, *statuses: ImportStatus, within: float = 120.0) -> ImportView:
        give_up = self.world.now + within
        while (found := await self.view(id)).status not in statuses:
            assert self.world.now < give_up, found
            await asyncio.sleep(0.1)
        return found

    async def until_over(self, id: str) -> ImportView:
        return await self.until(id, *OVER)

    async def errors(self, id: str) -> str:
        found = await self.site.until_done(
            IMPORT_ERRORS, GetImport(import_id=id), after=len(self.world.broker.journal)
        )
        pieces = [piece async for piece in files.read(self.world.gateways[0], found.key, found.pieces)]
        return b"".join(pieces).decode("utf-8-sig")

    async def leads(self, campaign: str = "c1") -> list[LeadView]:
        found: list[LeadView] = await self.site.until_done(
            LIST_LEADS, ListLeads(campaign_id=campaign, limit=1000), after=len(self.world.broker.journal)
        )
        return found

    def owner(self, id: str) -> Life | None:
        """The process that has the import."""
        for life in self.world.lives:
            shard = life.host.shards.get(shard_of(id)) if life.host is not None and life.process.runs else None
            if shard is not None and shard.get(ImportActor, id) is not None:
                return life
        return None

    def kept(self) -> list[str]:
        """What is in the bucket of files."""
        values = self.world.broker.values
        return sorted(
            key.removeprefix("OTTB_FILE/") for key in values
            if key.startswith("OTTB_FILE/") and (value := self.world.broker.value(key)) and value.data is not None
        )  # fmt: skip
