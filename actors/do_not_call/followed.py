"""The do-not-call lists of the site, as this host follows them in the journal; and whether that is all there is.

What makes an addition effective everywhere is not that hosts are told of it in time: nobody is ever sure that all were.
It is that a host asks for each call, once its attempt is on record, where the lists end by the word of the journal's
leader, and goes on when it has read as far as that. So an attempt that comes after an addition in the journal is not
dialled on any host, however far behind that is; and the addition is acknowledged only when it is in the journal.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from actors.do_not_call.lists import NumberList
from actors.runtime.bus import BusError, Recorded, Unsubscribe
from actors.runtime.host import Host
from actors.runtime.marks import Marks, is_mark
from actors.runtime.shards import owned
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import id_of
from bus_schemas.do_not_call import (
    DO_NOT_CALL,
    GLOBAL,
    DoNotCallActivated,
    DoNotCallAdded,
    DoNotCallEvent,
    DoNotCallRemoved,
)
from bus_schemas.fields import plainly

SCOPE = f"ottb.v1.evt.{DO_NOT_CALL.name}.>"
Tell = Callable[[Sequence[str]], None]  # of entries
SOON = 2.0  # seconds in which lists of some hundred thousand entries are read


class Followed:
    """All lists, on one host. `read`: once, all that was on record was. `marks`: of numbers that were erased and stay
    on lists."""

    def __init__(self, *, host: Host, marks: Marks) -> None:
        self._host = host
        self._marks = marks
        self._marked = False  # there are such
        self._lists: defaultdict[str, NumberList] = defaultdict(NumberList)
        self._watermark = 0
        self._advanced = asyncio.Condition()
        self._unread: dict[str, str] = {}  # lists of which an entry could not be read, and why
        self._stop: Unsubscribe | None = None
        self._watching: dict[str, Tell] = {}
        self.read = False

    async def follow(self) -> None:
        """Begin to read. Raises BusError."""
        self._stop = await self._host.bus.follow(SCOPE, self._hear, after=0)

    async def start(self) -> None:
        """Short lists are read when the host begins to serve; while long ones are not, nothing is dialled."""
        await self.is_current(SOON)

    async def bring_up_to_date(self) -> None:
        if not self.read:
            await self.is_current(SOON)

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    # --- what is known

    @property
    def seq(self) -> int:
        """The last entry of the journal that is in."""
        return self._watermark

    def known(self, id: str) -> NumberList:
        """One list, as far as it is read. Of a name that no list has nothing is kept."""
        return NumberList() if (known := self._lists.get(id)) is None else known

    def lists(self, e164: str, campaign: str | None) -> bool:
        """Whether a number is on the list for all calls, or on the campaign's."""
        return self.held_until(e164, campaign) > self._host.clock.now().timestamp()

    def held_until(self, e164: str, campaign: str | None) -> float:
        """Until when it is, as `NumberList.held_until` says it."""
        forms = (e164, self._marks.of(e164)) if self._marked else (e164,)
        lists = [self._lists[one] for one in _lists_for(campaign) if one in self._lists]
        return max((one.held_until(form) for one in lists for form in forms), default=0.0)

    def forms_on(self, id: str, entry: str) -> tuple[str, ...]:
        """As which an entry may be on a list: as it is, and as the mark of a number that was erased."""
        mark = self._marks.of(entry)
        return (entry, mark) if self.known(id).has(mark) else (entry,)

    def mark_of(self, e164: str) -> str:
        """What stands for a number where it was erased."""
        return self._marks.of(e164)

    def unread(self, campaign: str | None) -> str | None:
        """Why nobody can say that a number is on none of the lists. None: it can be said."""
        if not self.read:
            return "the do-not-call lists are not read yet"
        return next((self._unread[one] for one in _lists_for(campaign) if one in self._unread), None)

    # --- how far it is

    def are_ours(self, campaign: str | None) -> bool:
        """Whether this process owns all lists that hold for a call: all that is on record of them is in, and nobody
        need be asked."""
        return self.read and all(map(self._is_ours, _lists_for(campaign)))

    def _is_ours(self, id: str) -> bool:
        """Also no write is under way: it may be on record already, before an attempt that is."""
        shard = owned(self._host, id)
        if shard is None:
            return False
        owner = shard.find(DO_NOT_CALL.name, id)
        return owner.alive and owner.idle if owner is not None else self.known(id).seq == 0

    async def is_current(self, patience: float) -> bool:
        """Whether all that is on record now is read, within `patience` seconds. False, too, where nobody says."""
        try:
            last = await self._host.bus.last(SCOPE, certain=True)
        except BusError:
            return False
        current = await self.until(last.seq if last is not None else 0, patience)
        self.read = self.read or current
        return current

    async def until(self, seq: int, patience: float) -> bool:
        """Wait until an entry of the journal is in. False: it was not, in `patience` seconds."""
        if self._watermark >= seq:
            return True
        try:
            async with asyncio.timeout(patience), self._advanced:
                await self._advanced.wait_for(lambda: self._watermark >= seq)
        except TimeoutError:
            return False
        return True

    # --- following

    async def _hear(self, recorded: Recorded) -> None:
        topic = topic_of(recorded.subject)
        if topic is not None and recorded.seq not in self._host.step_over:
            id = id_of(recorded.subject)
            try:
                self.take(id, msgspec.json.decode(recorded.data, type=topic.event), recorded.seq)
            except Exception as error:  # noqa: BLE001  whatever it is: what is passed over would be called
                self._cannot_read(id, recorded, error)
        self._watermark = recorded.seq
        async with self._advanced:
            self._advanced.notify_all()

    def take(self, id: str, event: DoNotCallEvent, seq: int) -> None:
        """A list after an event of it, which whoever watches it is told once."""
        is_new = seq > self._lists[id].seq
        self._lists[id].take(event, seq)
        if isinstance(event, DoNotCallAdded) and any(is_mark(one.entry) for one in event.entries):
            self._marked = True
        if is_new and not isinstance(event, DoNotCallActivated):
            for campaign in [campaign for campaign in self._watching if id in _lists_for(campaign)]:
                self._watching[campaign](_entries_of(event))

    def watch(self, campaign: str, tell: Tell) -> Callable[[], None]:
        """Tell of each entry that comes on a list which holds for a campaign, or off it. Returns how to stop."""
        self._watching[campaign] = tell

        def stop() -> None:
            if self._watching.get(campaign) is tell:
                del self._watching[campaign]

        return stop

    def _cannot_read(self, id: str, recorded: Recorded, error: Exception) -> None:
        """Nobody knows whose numbers those were: until the entry is stepped over, none is called that could be one."""
        why = f"its entry {recorded.seq} cannot be read: {plainly(error)}"
        self._unread[id] = f"the do-not-call list {id} is not known: {why}"
        self._host.quarantine(DO_NOT_CALL.name, id, why)


def _entries_of(event: DoNotCallAdded | DoNotCallRemoved) -> tuple[str, ...]:
    if isinstance(event, DoNotCallAdded):
        return tuple(one.entry for one in event.entries)
    return event.entries


def _lists_for(campaign: str | None) -> tuple[str, ...]:
    return (GLOBAL,) if campaign is None else (GLOBAL, campaign)
