"""`ottb campaign`: run a list of leads, watch it, and ask why it does not dial."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from actors.adapters.workbook import as_table, is_workbook
from actors.dialing.rules import DialRules
from actors.leads.lead import NUMBER_FIELDS, Accepted, Duplicate, InvalidRow, ListError
from actors.leads.mapping import Mapping, still_unsure
from actors.leads.preview import mapping_of, outcomes
from actors.leads.reading import layout_of
from actors.leads.rows import Outcome
from bus_schemas.campaign import CampaignId, CampaignRun, CampaignStatus
from bus_schemas.lead import GivenLead, Lead
from cli.gateway import NotDone, Session

BODY = 5_000  # leads of one request
TOLD = 20  # rows that are no leads; more are counted

Say = Callable[[str], None]
Send = Callable[[Sequence[GivenLead], bool], CampaignRun]  # leads; whether they are more of a run that began


def run(
    send: Send, file: Path, rules: DialRules, say: Say, columns: Sequence[str] | None = None,
    *, skip: int | None = None, header: bool | None = None,
) -> None:  # fmt: skip
    """Have a campaign run with the leads of a list, by `send`. `columns`: what is in them; `skip`: rows at the top that
    are titles; `header`: whether the row behind says what is in the columns. None: it is guessed. Rows that are no
    leads are told. Raises NotDone, ApiError."""
    report = RunReport(say)
    try:
        with _table(file) as table:
            layout = layout_of(table)
            mapping = _mapping(mapping_of(table, layout, rules.site_region, skip=skip, header=header), columns)
            if mapping.skip:
                report.skipped(mapping.skip)
            rows = _accepted(outcomes(table, layout, mapping, rules), report)
            while batch := list(islice(rows, BODY)):
                _send(send, batch, report)
    except (ListError, OSError) as error:
        raise NotDone(f"{file}: {error}") from None
    report.sum_up()
    if not report.counts["sent"]:
        raise NotDone(f"{file}: no row of it is a lead")


def id_for(file: Path) -> str:
    """The campaign that a list is for, if nobody says another: its name without the ending. Raises NotDone."""
    try:
        return msgspec.convert(file.stem, CampaignId)
    except msgspec.ValidationError:
        raise NotDone(
            f"`{file.stem}` is no id of a campaign (letters, digits, `_` and `-`, 64 at most). Name one: --id spring"
        ) from None


@contextmanager
def _table(file: Path) -> Iterator[BinaryIO]:
    """The rows of a file as CSV, for as long as the block lasts. Raises ListError, OSError."""
    with file.open("rb") as list_:
        workbook = is_workbook(list_.read(4))
        list_.seek(0)
        if workbook:
            with as_table(list_) as table:
                yield table
        else:
            yield list_


class RunReport:
    """What becomes of rows, as it is told. `runs`: the campaign, since some of them."""

    def __init__(self, say: Say) -> None:
        self.counts: Counter[str] = Counter()
        self.runs = False
        self._say = say

    def invalid(self, row: int, field: str, reason: str) -> None:
        self.counts["invalid"] += 1
        if self.counts["invalid"] <= TOLD:
            self._say(f"row {row}: {field + ': ' if field else ''}{reason}")

    def skipped(self, rows: int) -> None:
        self._say(f"skipped above the list: {'row 1' if rows == 1 else f'rows 1 to {rows}'}")

    def sum_up(self) -> None:
        named = ("new", "duplicate", "invalid")
        self._say(", ".join(f"{self.counts[name]:,} {name}" for name in named))


def _mapping(guessed: Mapping, columns: Sequence[str] | None) -> Mapping:
    """What is in the columns, by what a person says, else as it is guessed. Raises ListError where it is in doubt."""
    if columns is not None:
        fields, unsure = tuple(columns), still_unsure(guessed.unsure, guessed.fields, columns)
        try:
            return Mapping(fields=fields, header=guessed.header, skip=guessed.skip, unsure=unsure)
        except ValueError as error:
            raise ListError(f"--columns: {str(error).removeprefix('fields: ')}") from None
    if guessed.doubt:
        raise ListError(f"{guessed.doubt}. Say what is in the columns: --columns number,name,,custom:city")
    return guessed


def _accepted(found: Iterable[Outcome], report: RunReport) -> Iterator[Accepted]:
    """The rows that are leads. Raises ListError."""
    for outcome in found:
        match outcome:
            case Accepted():
                yield outcome
            case Duplicate():
                report.counts["duplicate"] += 1
            case InvalidRow():
                report.invalid(outcome.row, outcome.field, outcome.reason)


def _send(send: Send, batch: Sequence[Accepted], report: RunReport) -> None:
    answer = send([given_of(one.lead) for one in batch], report.runs)
    report.runs = report.runs or answer.status == CampaignStatus.RUNNING
    report.counts.update(sent=len(batch), new=answer.accepted, duplicate=answer.duplicates)
    for refused in answer.invalid:
        report.invalid(batch[refused.row - 1].row, refused.field, refused.reason)
    report.counts["invalid"] += answer.invalid_more


def given_of(lead: Lead) -> GivenLead:
    """A lead as it is given to the API."""
    numbers = dict(zip(NUMBER_FIELDS, lead.numbers, strict=False))
    return GivenLead(
        **numbers, lead_id=lead.id, name=lead.name or None, timezone=lead.timezone, priority=lead.priority or None,
        language=lead.language, source=lead.source or None, consent=lead.consent, custom=lead.custom,
    )  # fmt: skip


def found(session: Session, campaign: str) -> Any:
    """The campaign with its counts, as JSON. Raises ApiError."""
    return msgspec.to_builtins(session.done(session.api.get_campaign(campaign)))


def explained(session: Session, campaign: str, lead: str | None = None) -> Any:
    """Why it does not dial, or why a lead of it is not called, as JSON. Raises ApiError."""
    api = session.api
    why = session.done(api.explain_lead(campaign, lead)) if lead else session.done(api.explain_campaign(campaign))
    return msgspec.to_builtins(why)
