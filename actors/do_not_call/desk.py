"""What any host may be asked about do-not-call lists: it reads what people wrote, and whoever has the list's shard does
the rest."""

from collections.abc import Callable, Container, Iterable, Sequence

import msgspec
from msgspec import ValidationError

from actors.do_not_call.followed import Followed
from actors.do_not_call.lists import covering
from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.moments import moment
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import Served, serve
from actors.runtime.turns import Turns
from actors.runtime.wire import Page, ask, forward
from actors.telephony.lists import Row, Table, entry_of
from actors.telephony.numbers import NotANumber, Number, canonical
from bus_schemas.campaign import GET_CAMPAIGN, GetCampaign
from bus_schemas.do_not_call import (
    ADD_DO_NOT_CALL,
    CHANGE_DO_NOT_CALL,
    CHECK_DO_NOT_CALL,
    FIND_DO_NOT_CALL,
    GLOBAL,
    PUT_ON_DO_NOT_CALL,
    READ_DO_NOT_CALL,
    REMOVE_DO_NOT_CALL,
    SETTINGS,
    AddDoNotCall,
    ChangeDoNotCall,
    CheckDoNotCall,
    DoNotCallEntry,
    DoNotCallRead,
    DoNotCallStanding,
    FindDoNotCall,
    Listed,
    ReadDoNotCall,
    RemoveDoNotCall,
)
from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.fields import plainly

WEIGHT = 20  # as how many bytes a letter counts in which a number may begin
PATIENCE = 2.0  # seconds that a question waits until this host has read the lists to their end


class Desk:
    """Answers for one host. `region`: where numbers stand that do not say it. `accepts`: what may be an entry.
    `in_settings`: the list of the settings, E.164."""

    def __init__(
        self,
        *,
        host: Host,
        lists: Followed,
        region: str,
        accepts: Callable[[Number], bool],
        in_settings: Container[str],
    ) -> None:
        self._host = host
        self._lists = lists
        self._region = region
        self._accepts = accepts
        self._in_settings = in_settings

    def handlers(self) -> tuple[Served, ...]:
        """Who answers which line."""
        return (
            serve(ADD_DO_NOT_CALL, self.add),
            serve(PUT_ON_DO_NOT_CALL, self.put),
            serve(REMOVE_DO_NOT_CALL, self.remove),
            serve(READ_DO_NOT_CALL, self.read),
            serve(CHECK_DO_NOT_CALL, self.check),
        )

    # --- changes

    async def add(self, request: AddDoNotCall, context: Context) -> Page:
        await self._must_exist(request.list, context)
        return await self.put(request, context)

    async def put(self, request: AddDoNotCall, context: Context) -> Page:
        """Of a campaign that calls, so it need not be looked for."""
        expires = moment(request.expires, "expires")
        if expires is not None and parse_utc(expires) <= self._host.clock.now():
            raise misfit("expires", "it is over already.")
        entries = await self._entries(request.entries)
        add = tuple(Listed(entry=entry, reason=request.reason, expires=expires) for entry in entries)
        return await self._change(request.list, context, add=add, source=request.source)

    async def remove(self, request: RemoveDoNotCall, context: Context) -> Page:
        entries = await self._entries(request.entries)
        forms = [form for entry in entries for form in self._lists.forms_on(request.list, entry)]
        return await self._change(request.list, context, remove=tuple(forms))

    async def _change(
        self, id: str, context: Context, *, add: Sequence[Listed] = (), remove: Sequence[str] = (), source: str = ""
    ) -> Page:
        wanted = ChangeDoNotCall(shard=shard_of(id), list=id, source=source, add=tuple(add), remove=tuple(remove))
        return await forward(self._host.bus, CHANGE_DO_NOT_CALL, wanted, context)

    async def _entries(self, written: Iterable[str]) -> list[str]:
        found, turns = [], Turns()
        for place, one in enumerate(written):
            try:
                found.append(entry_of(one, self._region, self._accepts))
            except NotANumber as error:
                raise misfit(f"entries[{place}]", f"not a phone number: {error}.") from None
            await turns.after(WEIGHT * len(one))
        return found

    async def _must_exist(self, id: str, context: Context) -> None:
        """Raise Refusal(NOT_FOUND) where a list would be nobody's: whoever wrote to it would believe that it holds."""
        if id != GLOBAL:
            asking = Context(command_id=context.command_id, actions=frozenset(GET_CAMPAIGN.needed))
            await ask(self._host.bus, GET_CAMPAIGN, GetCampaign(campaign_id=id), asking)

    # --- files

    async def read(self, request: ReadDoNotCall, context: Context) -> DoNotCallRead:
        if request.first == 1:
            await self._must_exist(request.list, context)
        return DoNotCallRead(entries=tuple(await entries_in(request, self._region, self._accepts)))

    # --- questions

    async def check(self, request: CheckDoNotCall, context: Context) -> DoNotCallStanding:
        """What the gate would say now, and what is on record of it."""
        try:
            e164 = canonical(request.number, self._region).e164
        except NotANumber as error:
            raise misfit("number", f"not a phone number: {error}.") from None
        campaign = request.list if request.list != GLOBAL else None
        if not await self._lists.is_current(PATIENCE) or self._lists.unread(campaign):
            raise Refusal(ErrorCode.UNAVAILABLE, "The do-not-call lists are not read to their end yet. Try again.")
        asking = Context(command_id=context.command_id, after=self._lists.seq)
        forms = (*covering(e164), self._lists.mark_of(e164))
        found = await ask(self._host.bus, FIND_DO_NOT_CALL, FindDoNotCall(entries=forms), asking)
        own = [DoNotCallEntry(list=SETTINGS, entry=e164)] if e164 in self._in_settings else []
        listed = bool(own) or self._lists.lists(e164, campaign)
        return DoNotCallStanding(number=e164, listed=listed, entries=[*own, *found])


async def entries_in(request: ReadDoNotCall, region: str, accepts: Callable[[Number], bool]) -> list[Listed]:
    """What lines of a file say, each in its one form. Raises Refusal, which names the first that is none."""
    table, found, turns = Table(request.head, region, accepts), [], Turns()
    for number, line in enumerate(request.lines, request.first):
        try:
            row = table.row(line, number)
            if row is not None:
                found.append(_listed(row, request.list))
        except NotANumber as error:
            raise _wrong_line(number, f"not a phone number: {error}") from None
        except (Refusal, ValidationError) as error:
            raise _wrong_line(number, plainly(error)) from None
        await turns.after(WEIGHT * len(line))
    return found


def _wrong_line(number: int, why: str) -> Refusal:
    """A line of a file for which nothing of it is taken."""
    return misfit("body", f"line {number}: {why.rstrip('.')}. Nothing of the file was taken.", line=number)


def _listed(row: Row, id: str) -> Listed:
    """A row of a table as an entry of a list. Raises Refusal, ValidationError."""
    of = row.says.get("list", "")
    if of not in ("", id):
        raise misfit("list", f"it is of the list {of}.")
    expires = moment(row.says.get("expires") or None, "expires")
    return msgspec.convert({"entry": row.entry, "reason": row.says.get("reason", ""), "expires": expires}, Listed)
