"""An import on two hosts: what it shows, what goes in, what stays of it, and that a crash neither loses nor repeats."""

import asyncio

import pytest
from msgspec.structs import replace

from actors.imports import start
from actors.leads import parts
from bus_schemas.campaign import ARCHIVE_CAMPAIGN, ArchiveCampaign, CampaignStatus
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.imports import ADMIT_IMPORT, MAP_COLUMNS, AdmitImport, ImportStatus, MapColumns
from tests.campaign.world import Campaigns, play
from tests.imports.world import Imports, table

S = ImportStatus


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST", 20)


def test_a_list_is_shown_and_then_imported() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(100, bad=(7, 50)) + b"\n" + table(1, first=3).splitlines()[1])
        found = await imports.until(made.import_id, S.READY)
        assert found.columns is not None and found.columns.fields == ("number", "name") and found.columns.header
        assert found.layout is not None and found.layout.encoding == "cp1251" and found.layout.delimiter == ";"
        assert found.rows == 101 and found.expected is not None
        assert (found.expected.leads, found.expected.duplicates) == (98, 1)
        assert found.expected.invalid == {"number: format": 2}
        shown = await imports.preview(made.import_id)
        assert shown.rows[0].cells == ("Телефон", "ПІБ") and [row.row for row in shown.invalid] == [9, 52]
        assert not await imports.leads() and found.done == 0
        await imports.start(made.import_id)
        found = await imports.until_over(made.import_id)
        assert (found.status, found.done, found.new, found.duplicates) == (S.FINISHED, 101, 98, 1)
        assert found.invalid == {"number: format": 2} and found.errors
        leads = await imports.leads()
        assert len(leads) == 98 and {lead.lead.name for lead in leads} >= {"Олена 0", "Олена 99"}
        assert not site.dials() and (await site.view("c1")).status is CampaignStatus.DRAFT
        lines = (await imports.errors(made.import_id)).splitlines()
        assert lines[0] == "row,field,reason,Телефон,ПІБ"
        assert [line.split(",")[0] for line in lines[1:]] == ["9", "52"] and lines[1].endswith(",none,Олена 7")
        await asyncio.sleep(10.0)
        assert imports.kept() == [f"{made.import_id}-errors.{piece}" for piece in (0, 1)]
        advanced = [entry for entry in site.world.broker.journal if entry.subject.endswith(".advanced")]
        assert len(advanced) == 6  # one for each part, none for a row

    play(story)


def test_the_same_file_again_changes_nothing_and_says_so() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        for new in (60, 0):
            made = await imports.send(table(60), begin=True)
            found = await imports.until_over(made.import_id)
            assert (found.status, found.new, found.duplicates, found.errors) == (S.FINISHED, new, 60 - new, False)
        assert len(await imports.leads()) == 60

    play(story)


def test_a_list_that_is_run_is_called_from_its_first_part_on() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(60), begin=True, run=True)
        found = await imports.until_over(made.import_id)
        assert (found.status, found.new) == (S.FINISHED, 60)
        assert (await site.view("c1")).status is CampaignStatus.RUNNING
        await asyncio.sleep(5.0)
        assert site.dials()
        await site.stop("c1")

    play(story)


def test_a_campaign_that_is_stopped_meanwhile_takes_no_more() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(2000), begin=True, run=True)
        while (await imports.view(made.import_id)).done < 60:
            await asyncio.sleep(0.01)
        await site.stop("c1")
        found = await imports.until_over(made.import_id)
        assert found.status is S.FAILED and found.reason and "stopped" in found.reason
        assert 60 <= found.new == (await site.view("c1")).leads < 2000

    play(story)


def test_a_person_says_what_is_in_the_columns() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        rows = [line.split(b";")[0] for line in table(20).splitlines()[1:]]
        data = b"\n".join(b";".join((number, number, b"x")) for number in rows)
        made = await imports.send(data, begin=True)
        found = await imports.until(made.import_id, S.READY)
        assert found.columns is not None and "could be the number" in found.columns.doubt and found.expected is None
        with pytest.raises(Refusal) as refused:
            await imports.start(made.import_id)
        assert refused.value.code is ErrorCode.CONFLICT
        fields = ("", "number", "name")
        wanted = MapColumns(import_id=made.import_id, fields=fields, header=False)
        assert (await site.until_done(MAP_COLUMNS, wanted)).status is S.EXAMINING
        found = await imports.until(made.import_id, S.READY)
        assert found.expected is not None and found.expected.leads == 20
        await imports.start(made.import_id)
        assert (await imports.until_over(made.import_id)).new == 20

    play(story)


def test_titles_above_the_list_are_told_and_a_person_says_how_many_they_are() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(b"Leads;;\nphone;name;town\n0991230006;Ann;Lviv\n0991230007;Bob;Kyiv\n")
        found = await imports.until(made.import_id, S.READY)
        assert found.columns is not None and (found.columns.skip, found.rows) == (1, 2)
        wanted = MapColumns(import_id=made.import_id, fields=("number", "name", ""), header=True)
        for skip, rows in ((None, 2), (0, 3), (3, 0)):
            await site.until_done(MAP_COLUMNS, replace(wanted, skip=skip))
            found = await imports.until(made.import_id, S.READY)
            assert found.columns is not None and (found.columns.skip, found.rows) == (1 if skip is None else skip, rows)
        await site.until_done(MAP_COLUMNS, replace(wanted, skip=1))
        await imports.until(made.import_id, S.READY)
        await imports.start(made.import_id)
        over = await imports.until_over(made.import_id)
        assert (over.new, over.invalid) == (2, {})

    play(story)


def test_who_corrects_another_column_stays_warned_of_unsure_ones() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        explicit = "".join(f"+48{501234500 + at};PL;Ann\n" for at in range(60))
        made = await imports.send(f"phone;Land;whom\n{explicit}501234567;PL;Bo\n".encode())
        found = await imports.until(made.import_id, S.READY)
        assert found.columns is not None and found.columns.unsure == (2,)
        wanted = MapColumns(import_id=made.import_id, fields=("number", "custom:Land", "name"), header=True)
        warned: dict[str, int] = {"number: unsure": 1}
        for unsure, told, bad in ((None, (2,), warned), ((), (), {}), (None, (), {}), ((2,), (2,), warned)):
            await site.until_done(MAP_COLUMNS, replace(wanted, unsure=unsure))
            found = await imports.until(made.import_id, S.READY)
            assert found.columns is not None and found.expected is not None
            assert (found.columns.unsure, found.expected.invalid) == (told, bad)
        await site.until_done(MAP_COLUMNS, replace(wanted, fields=("number", "", "name")))
        found = await imports.until(made.import_id, S.READY)
        assert found.columns is not None and found.columns.unsure == ()
        with pytest.raises(Refusal) as refused:
            await site.until_done(MAP_COLUMNS, replace(wanted, unsure=(4,)))
        assert (refused.value.details or {})["field"] == "unsure"

    play(story)


def test_a_person_says_where_the_numbers_stand() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(b"phone;origin;code\n501234567;PL;48\n501234568;;\n501234569;UA;48\n")
        fields = ("number", "country", "calling_code")
        await imports.until(made.import_id, S.READY)
        await site.until_done(MAP_COLUMNS, MapColumns(import_id=made.import_id, fields=fields, header=True))
        await imports.until(made.import_id, S.READY)
        shown = await imports.preview(made.import_id)
        assert shown.columns.fields == fields and shown.expected is not None and shown.expected.leads == 1
        assert [(bad.row, bad.field, bad.code) for bad in shown.invalid] == [
            (3, "calling_code", "missing"), (4, "country", "disagrees"),
        ]  # fmt: skip
        await imports.start(made.import_id)
        await imports.until_over(made.import_id)
        assert [lead.lead.numbers for lead in await imports.leads()] == [("+48501234567",)]

    play(story)


def test_a_cancelled_import_says_how_many_leads_are_in() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(2000), begin=True)
        while (await imports.view(made.import_id)).done < 100:
            await asyncio.sleep(0.01)
        assert (await imports.cancel(made.import_id)).status in (S.CANCELLING, S.CANCELLED)
        found = await imports.until_over(made.import_id)
        assert found.status is S.CANCELLED and 100 <= found.new < 2000
        await asyncio.sleep(5.0)
        assert (await site.view("c1")).leads == found.new and not imports.kept()
        assert (await imports.cancel(made.import_id)).status is S.CANCELLED  # once more changes nothing
        with pytest.raises(Refusal) as refused:
            await imports.start(made.import_id)
        assert refused.value.code is ErrorCode.CONFLICT

    play(story)


def test_only_so_many_lists_are_read_at_once_and_others_wait_in_order() -> None:
    async def story(site: Campaigns) -> None:
        imports, waited = Imports(site), set[int]()
        await imports.campaign()
        views = [await imports.send(table(400, first=400 * each), begin=True) for each in range(8)]
        while any(one.ended is None for one in views):
            views = [await imports.view(one.import_id) for one in views]
            waited |= {one.ahead for one in views if one.ahead is not None}
            await asyncio.sleep(0.05)
        assert waited and (await site.view("c1")).leads == 3200

    play(story)


def test_one_user_has_no_more_than_so_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "FILES_EACH", 3)

    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        wanted = AdmitImport(campaign_id="c1", size=10, own=10)
        made = []
        for _ in range(3):
            await site.until_done(ADMIT_IMPORT, wanted)
            made.append((await imports.send(table(2))).import_id)
        for id in made:
            await imports.until(id, S.READY)
        with pytest.raises(Refusal) as refused:
            await site.until_done(ADMIT_IMPORT, wanted)
        assert refused.value.details == {"rule": "files_per_user", "retry_after": 30}
        await imports.cancel(made[0])
        await asyncio.sleep(10.0)
        await site.until_done(ADMIT_IMPORT, wanted)

    play(story)


def test_what_is_no_list_fails_with_the_place() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(b"phone,name\n0991230006,\0\n", begin=True)
        found = await imports.until_over(made.import_id)
        assert found.status is S.FAILED and found.reason and found.reason.startswith("line 2: a NUL character")
        assert not await imports.leads()

    play(story)


def test_a_file_that_is_not_there_any_more_has_to_be_sent_again() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(60))
        await imports.until(made.import_id, S.READY)
        for key in imports.kept():
            await site.world.gateways[0].delete("OTTB_FILE", key)
        await imports.start(made.import_id)
        found = await imports.until_over(made.import_id)
        assert found.status is S.FAILED and found.reason and "send it again" in found.reason

    play(story)


def test_there_has_to_be_a_campaign_that_takes_leads() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        with pytest.raises(Refusal) as refused:
            await imports.send(table(60))
        assert refused.value.code is ErrorCode.NOT_FOUND
        await imports.campaign()
        await site.stop("c1")
        with pytest.raises(Refusal) as refused:
            await imports.send(table(60))
        assert refused.value.code is ErrorCode.CONFLICT
        made = await imports.send(table(60), begin=True, run=True)
        assert (await imports.until_over(made.import_id)).new == 60
        await site.stop("c1")
        await site.until_over("c1")
        await site.until_done(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id="c1"))
        await asyncio.sleep(10.0)
        for run in (False, True):
            with pytest.raises(Refusal, match="archived") as refused:
                await imports.send(table(60), run=run)
            assert refused.value.code is ErrorCode.CONFLICT

    play(story)
