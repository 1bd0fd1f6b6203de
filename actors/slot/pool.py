"""Which slots of this host could take a call now, and whose turn it is: least recently used first."""

import heapq
from collections.abc import Callable, Collection, Iterable

from msgspec import Struct

SHARED = None
SPARE = 64  # entries of a heap that may be out of date, beside as many as there are idle slots


class IdleSlot(Struct, frozen=True, kw_only=True):
    """An idle slot. `last_used` orders them; `user` None is the shared pool."""

    slot: int
    user: str | None
    region: str | None
    last_used: str


Fits = Callable[[IdleSlot], bool]


class Pool:
    """Idle slots by owner. `take` removes what it gives, so two takers never get the same slot.

    Each owner's slots lie in a heap by last use; what is no longer idle is skipped when it comes to the top, and left
    out where there is much of it: a slot may come and go for years without a call.
    """

    def __init__(self) -> None:
        self._idle: dict[int, IdleSlot] = {}
        self.shared = 0  # how many of them are anybody's
        self._aside: dict[int, IdleSlot | None] = {}  # what is kept for somebody, as it is now
        self.on_idle: Callable[[], None] = lambda: None  # called when a slot has become idle
        self._heaps: dict[str | None, list[tuple[str, int]]] = {}

    def put(self, place: IdleSlot) -> None:
        """The slot is idle."""
        if place.slot in self._aside:
            self._aside[place.slot] = place
            return
        if self._idle.get(place.slot) == place:
            return
        self.drop(place.slot)
        self._idle[place.slot] = place
        self.shared += place.user is SHARED
        heap = self._heaps.setdefault(place.user, [])
        heapq.heappush(heap, (place.last_used, place.slot))
        if len(heap) > 2 * len(self._idle) + SPARE:
            heap[:] = sorted((one.last_used, one.slot) for one in self._idle.values() if one.user == place.user)
        self.on_idle()

    def keep(self, place: IdleSlot) -> None:
        """Keep a slot that was taken: it is nobody else's until it is given back, whatever is known of it meanwhile."""
        self._aside[place.slot] = place

    def give_back(self, slot: int) -> None:
        """It is kept no longer, and idle if nothing has happened to it."""
        place = self._aside.pop(slot, None)
        if place is not None:
            self.put(place)

    def drop(self, slot: int) -> None:
        """The slot is not idle."""
        if slot in self._aside:
            self._aside[slot] = None
        former = self._idle.pop(slot, None)
        self.shared -= former is not None and former.user is SHARED

    def take(
        self,
        user: str | None,
        countries: Iterable[str] | None,
        *,
        shared: bool = True,
        fits: Fits | None = None,
    ) -> IdleSlot | None:
        """The caller's own least recently used idle slot, else, if they may have one, one of the shared pool, never
        somebody else's. `countries`: the SIM must be from one of these; None: from anywhere. `fits`: what else it must
        be."""
        wanted = None if countries is None else frozenset(countries)

        def may(place: IdleSlot) -> bool:
            return (wanted is None or place.region in wanted) and (fits is None or fits(place))

        return self._take_from(user, may) or (self._take_from(SHARED, may) if shared else None)

    def has(self, users: Collection[str | None], *, shared: bool, fits: Fits) -> bool:
        """Whether `take` would find one for one of these users."""
        return any(
            (place.user in users or (shared and place.user is SHARED)) and fits(place) for place in self._idle.values()
        )

    def _take_from(self, user: str | None, fits: Fits) -> IdleSlot | None:
        heap = self._heaps.get(user, [])
        unfit: list[tuple[str, int]] = []
        found: IdleSlot | None = None
        while heap and found is None:
            entry = heapq.heappop(heap)
            place = self._idle.get(entry[1])
            if place is None or (place.last_used, place.user) != (entry[0], user):
                continue  # no longer idle, or back in the heap under another key
            if not fits(place):
                unfit.append(entry)
                continue
            found = place
        for entry in unfit:
            heapq.heappush(heap, entry)
        if found is not None:
            self.drop(found.slot)
        return found

    def __len__(self) -> int:
        return len(self._idle)

    def __contains__(self, slot: int) -> bool:
        return slot in self._idle
