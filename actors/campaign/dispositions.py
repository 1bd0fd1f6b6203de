"""What operators say of calls, brought to the campaigns whose calls they are: each word is on its lead once.

Every host follows all of it and keeps what no campaign has put on record yet; whoever has the campaign takes it from
there, in the order of the journal, and whoever takes it over goes on where the record ends. So a word that is given
while nobody has the campaign waits, and one that was heard twice marks the lead once.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from actors.campaign.words import Word
from actors.runtime.bus import Bus, BusError, Recorded, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.effects import Work
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.wire import ask
from actors.telephony.past import called_in
from bus_schemas.campaign import CAMPAIGN_ARCHIVED, CAMPAIGN_LEAD_MARKED, CampaignArchived
from bus_schemas.contract import UNDECODABLE
from bus_schemas.do_not_call import GLOBAL, PUT_ON_DO_NOT_CALL, AddDoNotCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadMarked, Meaning
from bus_schemas.operator import OPERATOR_DISPOSED, OperatorDisposed

log = structlog.get_logger()

PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds between two tries to settle a word
SOURCE = "disposition"  # of an entry of a do-not-call list
FOR_GOOD = frozenset({ErrorCode.CONFLICT, ErrorCode.INVALID_PARAMS, ErrorCode.NOT_FOUND})

Tell = Callable[[int, OperatorDisposed], None]

_disposed = msgspec.json.Decoder(OperatorDisposed).decode
_marked = msgspec.json.Decoder(CampaignLeadMarked).decode
_archived = msgspec.json.Decoder(CampaignArchived).decode


class Dispositions:
    """The words that are not on record with their campaigns; one for a host."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus
        self._open: defaultdict[str, dict[int, OperatorDisposed]] = defaultdict(dict)  # by campaign, in their order
        self._heard: dict[str, int] = {}  # up to where a campaign has them on record
        self._owners: dict[str, Tell] = {}
        self._stops: list[Unsubscribe] = []

    async def start(self) -> Unsubscribe:
        """Begin to read what is on record, and follow. Returns how to stop. Raises BusError."""
        for pattern, hear in (
            (CAMPAIGN_LEAD_MARKED.pattern, self._hear_mark),
            (CAMPAIGN_ARCHIVED.pattern, self._hear_archived),
            (OPERATOR_DISPOSED.pattern, self._hear_word),
        ):
            self._stops.append(await self._bus.follow(pattern, hear, after=0))
        return self._stop

    async def _stop(self) -> None:
        for stop in self._stops:
            await stop()

    def own(self, campaign: str, tell: Tell) -> None:
        """Tell the owner of a campaign what it has not on record, and then whatever is said."""
        self._owners[campaign] = tell
        for seq, said in self._open[campaign].items():
            tell(seq, said)

    def disown(self, campaign: str, tell: Tell) -> None:
        """It is not there any more, unless another one has come in its place."""
        if self._owners.get(campaign) == tell:
            del self._owners[campaign]

    async def _hear_word(self, recorded: Recorded) -> None:
        try:
            said = _disposed(recorded.data)
        except UNDECODABLE as error:
            log.warning("disposition not understood", seq=recorded.seq, error=str(error))
            return
        campaign = said.campaign_id
        if campaign is None or recorded.seq <= self._heard.get(campaign, 0):
            return
        self._open[campaign][recorded.seq] = said
        if campaign in self._owners:
            self._owners[campaign](recorded.seq, said)

    async def _hear_mark(self, recorded: Recorded) -> None:
        mark = _marked(recorded.data)
        if mark.heard:
            self._forget(mark.campaign, mark.heard)

    async def _hear_archived(self, recorded: Recorded) -> None:
        """Whatever was said before, and is said afterwards: nobody has it."""
        self._forget(_archived(recorded.data).campaign, 2**63)

    def _forget(self, campaign: str, heard: int) -> None:
        self._heard[campaign] = max(self._heard.get(campaign, 0), heard)
        for seq in [seq for seq in self._open[campaign] if seq <= heard]:
            del self._open[campaign][seq]


class Owner(Protocol):
    """The campaign whose calls they are."""

    id: str
    _host: Host

    def place_of(self, lead: str) -> int | None: ...

    def place_with(self, number: str) -> int | None: ...

    def spawn(self, work: Work[None]) -> object: ...

    def tell(self, report: Word) -> None: ...


class Settled:
    """The words for one campaign, at its owner: what has to be known and done before the lead is marked, one after the
    other. `of_campaign`: numbers of those who are not to be called are put on the campaign's own list, and not on that
    for all calls."""

    def __init__(self, *, owner: Owner, words: Dispositions, of_campaign: bool) -> None:
        self._owner = owner
        self._words = words
        self._list = owner.id if of_campaign else GLOBAL
        self._waiting: list[tuple[int, OperatorDisposed]] = []
        self._tell = self._take  # a bound method is another one each time

    def begin(self) -> None:
        self._words.own(self._owner.id, self._tell)

    def end(self) -> None:
        self._words.disown(self._owner.id, self._tell)

    def _take(self, seq: int, said: OperatorDisposed) -> None:
        self._waiting.append((seq, said))
        if len(self._waiting) == 1:
            self._owner.spawn(self._work())

    async def _work(self) -> None:
        while self._waiting:
            await self._until_settled(*self._waiting[0])
            del self._waiting[0]

    async def _until_settled(self, seq: int, said: OperatorDisposed) -> None:
        pause = PAUSE
        while True:
            try:
                await self._settle(seq, said)
                return
            except (BusError, Refusal) as error:
                log.info("a disposition has to wait", call_id=said.call_id, error=repr(error))
            await self._owner._host.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _settle(self, seq: int, said: OperatorDisposed) -> None:
        found = await called_in(self._owner._host.bus, said.call_id, derived("settle", said.call_id, str(seq)))
        number = found.number if found is not None else None
        place = self._owner.place_of(said.lead) if said.lead is not None else None
        if place is None and number is not None:
            place = self._owner.place_with(number)
        if place is None:
            log.warning("disposition of nobody's call", campaign=self._owner.id, call_id=said.call_id)
            return
        if said.meaning is Meaning.DO_NOT_CALL and number is not None:
            await self._put_on_list(seq, said, number)
        self._owner.tell(Word(seq=seq, place=place, said=said))

    async def _put_on_list(self, seq: int, said: OperatorDisposed, number: str) -> None:
        """Before the lead is marked, so that a mark on record says that it was done. Raises Refusal."""
        wanted = AddDoNotCall(
            list=self._list, entries=(number,), reason=f"{said.disposition}, {said.call_id}", source=SOURCE
        )
        context = Context(command_id=derived("put", said.call_id, str(seq)), user=said.user)
        try:
            await ask(self._owner._host.bus, PUT_ON_DO_NOT_CALL, wanted, context)
        except Refusal as refusal:
            if refusal.code not in FOR_GOOD:
                raise
            log.error("not put on the do-not-call list", call_id=said.call_id, list=self._list, why=refusal.message)
