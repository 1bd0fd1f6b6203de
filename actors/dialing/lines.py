"""The lines of one host, slots and trunks, as campaigns ask for them: each is asked of whoever has it."""

from msgspec.structs import replace

from actors.dialing.slot_dialer import SlotDialer
from actors.dialing.trunk_dialer import TrunkDialer
from actors.runtime.context import Context
from actors.runtime.wire import Page
from bus_schemas.host import LinesThere, OfferedLines, OfferLines, ReturnLines, StartOffered, SurveyLines


class HostLines:
    """`slots`, `trunks`: who begins calls on them."""

    def __init__(self, *, slots: SlotDialer, trunks: TrunkDialer) -> None:
        self._slots = slots
        self._trunks = trunks

    async def offer(self, request: OfferLines, context: Context) -> OfferedLines:
        """Keep lines for somebody, once there are any."""
        dialer = self._slots if request.trunks is None else self._trunks
        return await dialer.offers.offer(request, context)

    async def take_back(self, request: ReturnLines, context: Context) -> OfferedLines:
        """They are for others."""
        for line in request.lines:
            dialer = self._slots if line.trunk is None else self._trunks
            await dialer.offers.take_back(line, request.asker)
        return OfferedLines(lines=(), seconds=0.0)

    async def start(self, request: StartOffered, context: Context) -> Page:
        """Start a call on a line that was offered."""
        dialer = self._slots if request.line.trunk is None else self._trunks
        return await dialer.start_offered(request, context)

    async def survey(self, request: SurveyLines, context: Context) -> LinesThere:
        """What there is, busy or not."""
        slots, trunks, user, operators = request.slots, request.trunks, request.user, request.operators
        found = LinesThere(slots=self._slots.there(slots, user, operators) if slots is not None else ())
        if trunks is None:
            return found
        lines = self._trunks.lines
        return replace(
            found, trunks=lines.there(trunks, joins=request.joins), busy=lines.busy(trunks, user, operators),
            resting=lines.resting(trunks),
            owned=lines.owned(trunks, operators) if operators is not None else (),
        )  # fmt: skip
