"""What there is to carry the calls of a campaign, and why it carries none of some number now. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.lines import Held, HeldLines, Home, may_call
from actors.campaign.standing import Standing
from actors.telephony.numbers import home_of
from bus_schemas.carriers import Carriers
from bus_schemas.host import Line, LinesThere, SlotsThere, TrunkThere
from bus_schemas.trunk import TrunkState


class Lack(StrEnum):
    """Why no line takes a lead's call."""

    ASKED = "line_asked_for"
    SLOTS_SPENT = "slots_spent"
    SLOTS_BUSY = "slots_busy"
    TRUNK_FULL = "trunk_full"
    EXTENSIONS_BUSY = "extensions_busy"  # nobody is free who would be joined with whoever answers
    TRUNK_DOWN = "trunk_down"
    SLOTS_DOWN = "slots_down"
    NOT_READY = "operator_not_ready"  # whose line may call there
    UNKNOWN = "lines_unknown"
    COUNTRY = "country"  # none may call there, whatever it does now: the name that the dial rule has
    NO_LINE = "no_line"  # there is none


# What is over in a moment, or perhaps not there.
LATER = frozenset({Lack.ASKED, Lack.SLOTS_BUSY, Lack.TRUNK_FULL, Lack.EXTENSIONS_BUSY, Lack.UNKNOWN})

Why = tuple[Lack, str, str]  # and in words, and what would change it
NAMED = 5  # operators, or extensions; of more the others are counted


class Whose(NamedTuple):
    """The lines that a campaign dials on. `operators`: those of these users; None: its maker's and the pool's. `joins`:
    channels whose calls wait for whoever is ready."""

    operators: tuple[str, ...] | None = None
    joins: bool = False


class There(Struct, frozen=True, kw_only=True):
    """What hosts say that there is of the lines that are `whose`. `complete`: each of them has said so."""

    lines: tuple[LinesThere, ...] = ()
    complete: bool = False
    whose: Whose = Whose()

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return any(each.slots or each.trunks for each in self.lines)

    def of(self, users: Collection[str]) -> "There":
        """Those of some of its operators. A trunk is one for them where one of their extensions is, beside it."""
        mine = (
            replace(
                each, slots=tuple(slots for slots in each.slots if slots.user in users),
                owned=(owned := tuple(pair for pair in each.owned if pair[1] in users)),
                trunks=each.trunks if owned else (),
            )
            for each in self.lines
        )  # fmt: skip
        return replace(self, lines=tuple(mine), whose=self.whose._replace(operators=tuple(users)))

    def with_lines(self) -> frozenset[str]:
        """The operators who have one, with or without a phone."""
        slots = {slots.user for each in self.lines for slots in each.slots if slots.user is not None}
        return frozenset(slots | {user for each in self.lines for _, user in each.owned if each.trunks})

    def slots(self, home: Home) -> list[SlotsThere]:
        """Those whose SIMs may call a number of there."""
        return [slots for each in self.lines for slots in each.slots if may_call(home, slots.countries)]

    def trunks(self, home: Home) -> list[TrunkThere]:
        """Those that may."""
        return [trunk for each in self.lines for trunk in each.trunks if may_call(home, trunk.countries)]

    def idle(self, carriers: Carriers) -> int:
        """How many calls could begin now."""
        slots = sum(slots.idle for each in self.lines for slots in each.slots)
        trunks = sum(trunk.free for each in self.lines for trunk in each.trunks if trunk.state is not TrunkState.DOWN)
        return slots + (trunks if self.whose.joins else min(trunks, len(self.free_extensions(carriers))))

    def free_extensions(self, carriers: Carriers) -> set[int]:
        """Where answered calls of trunks could go now."""
        if carriers.trunks is None:
            return set()
        busy = {slot for each in self.lines for slot in each.busy}
        if self.whose.operators is None:
            return {*carriers.trunks.extensions} - busy
        return {slot for each in self.lines for slot, _ in each.owned} - busy

    @property
    def resting(self) -> list[int]:
        """Extensions that have not taken a call lately."""
        return sorted({slot for each in self.lines for slot in each.resting})

    def reaches(self, home: Home) -> bool:
        """Whether some line may call a number of there, or nobody knows."""
        return not self.complete or not home[0] or bool(self.slots(home) or self.trunks(home))


NOBODY_KNOWS = There()


class Reachable:
    """Lines that call whoever some line of a site may call, as many as are wanted."""

    def __init__(self, there: There) -> None:
        self._there = there

    def reaching(self, home: Home) -> int:
        """Nobody is put aside for want of one who is not for good."""
        return 0

    def reach(self, e164: str) -> bool:
        """Whether one may call the number."""
        return self._there.reaches(home_of(e164))

    def take(self, e164: str, carriers: Carriers, now: float, operator: str | None = None) -> Held | None:
        """Any of them."""
        return Held("", Line(slot=1), 0.0) if self.reach(e164) else None


class Carriage:
    """How it is with numbers that may be called. `lines`: that a campaign holds, which are counted as used one by one.
    `free`: of its operators those for whom nothing is dialled and who hold none, where lines are operators'."""

    def __init__(
        self, carriers: Carriers, there: There, lines: HeldLines, free: Collection[str] | None = None
    ) -> None:
        self._carriers = carriers
        self._all = there
        self._there = there if free is None else there.of(free)
        self._free = free
        self._lines = lines.copy()
        self._known: dict[Home, Standing] = {}
        self._homes: dict[str, Home] = {}

    def takes(self, e164: str) -> bool:
        """Whether one of them takes this number's call."""
        return self._lines.take(e164, self._carriers, 0.0) is not None

    def reaches(self, e164: str) -> bool:
        """Whether some line may call it, busy or not. Where no operator has any, one may come who has."""
        return self._reaches(self._home(e164))

    def _reaches(self, home: Home) -> bool:
        return self._all.reaches(home) or (self._free is not None and not self._all.any)

    def lack(self, e164: str) -> Standing:
        """Why none of the others does."""
        home = self._home(e164)
        if home not in self._known:
            self._known[home] = self._lack(home)
        return self._known[home]

    def hindrance(self, e164: str) -> Standing | None:
        """Why nobody of those who are free could have it called, who would not get to it by waiting a moment."""
        if not self._there.complete or self._free == set():
            return None
        lack = self.lack(e164)
        return lack if lack.reason not in LATER else None

    def _home(self, e164: str) -> Home:
        if e164 not in self._homes:  # it takes long
            self._homes[e164] = home_of(e164)
        return self._homes[e164]

    def _lack(self, home: Home) -> Standing:
        whys = list(self._whys(home))
        if not whys and not self._there.complete:
            whys = [(Lack.UNKNOWN, "a host does not say which lines it has", "that host")]
        elif not whys:
            whys = [self._none(home)]
        first = min(whys, key=lambda why: list(Lack).index(why[0]))
        words = "; ".join(dict.fromkeys(words for _, words, _ in (*whys, *self._missing())))
        return Standing(reason=first[0], words=words, change=first[2])

    def _none(self, home: Home) -> Why:
        """Why there is none, busy or not."""
        country = home[0] or "there"
        if self._free is None and not self._all.any:
            return Lack.NO_LINE, "there is no line that it may use", "a slot or trunk that it may use"
        if not self._there.any and self._reaches(home):
            return Lack.NO_LINE, "no operator who is ready has a line that it may use", "a slot of theirs, with a phone"
        if self._reaches(home):
            words = f"no operator who is ready has a line that may call {country}"
            return Lack.NOT_READY, words, "an operator who has one"
        change = f"a SIM or trunk that may call {country}, which `[dial] countries`, where that is set, has to name"
        return Lack.COUNTRY, f"no line that it may use may call {country}", change

    def _whys(self, home: Home) -> Iterator[Why]:
        slots, trunks = self._there.slots(home), self._there.trunks(home)
        if any(each.idle for each in slots):
            yield Lack.ASKED, "a slot is idle, and is asked for", "a moment"
        elif sum(each.spent for each in slots) >= sum(each.online for each in slots) > 0:
            yield Lack.SLOTS_SPENT, "all slots that it may use have made their calls of this hour", "more slots"
        elif any(each.online for each in slots):
            yield Lack.SLOTS_BUSY, "all slots that it may use are busy", "more slots"
        elif slots:
            yield Lack.SLOTS_DOWN, "the phones of all slots that it may use cannot be reached", "a phone that can be"
        up = [trunk for trunk in trunks if trunk.state is not TrunkState.DOWN]
        for trunk in trunks:
            if trunk not in up:
                yield Lack.TRUNK_DOWN, f"trunk {trunk.name} is down: {trunk.reason}", "the trunk's repair"
        if not up:
            return
        if all(trunk.full for trunk in up):
            yield Lack.TRUNK_FULL, f"all channels of {_names(up)} are in use", "more channels"
        elif not self._there.whose.joins and not self._there.free_extensions(self._carriers):
            yield Lack.EXTENSIONS_BUSY, self._no_extension(), "more of them"
        else:
            yield Lack.TRUNK_FULL, f"{_names(up)} may not dial faster", "more calls per second"

    def _no_extension(self) -> str:
        """Why none takes an answered call."""
        words, resting = "all extensions for answered calls are in use", self._there.resting
        if not resting:
            return words
        return f"{words}, or have not taken a call lately: {_some(resting)}"

    def _missing(self) -> Iterator[Why]:
        """Operators who have no line, and trunks that are wanted and that nobody has."""
        if without := sorted({*(self._free or ())} - self._there.with_lines()):
            yield Lack.NO_LINE, f"ready without a line: {_some(without)}", ""
        wanted = self._carriers.trunks.trunks if self._carriers.trunks is not None else ()
        here = {trunk.name for each in self._all.lines for trunk in each.trunks}
        for name in wanted:
            if self._there.complete and name not in here:
                yield Lack.TRUNK_DOWN, f"there is no trunk {name}", ""


def _names(trunks: Iterable[TrunkThere]) -> str:
    return ", ".join(sorted(f"trunk {trunk.name}" for trunk in trunks))


def _some(all: Sequence[object]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(all) - NAMED} more" if len(all) > NAMED else ""
    return ", ".join(map(str, all[:NAMED])) + more
