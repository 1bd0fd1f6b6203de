"""What a campaign's actor hears beside commands and orders."""

from msgspec import Struct

from actors.campaign.carriage import There
from actors.campaign.claims import Claim, Joined
from actors.campaign.lines import Ask, Held
from actors.campaign.list_news import ListsChanged
from actors.campaign.words import Word
from bus_schemas.call import CallConnected


class Offered(Struct, frozen=True, kw_only=True):
    """What a host keeps for the campaign. None: it had none for a while. `ask`: for what it was asked."""

    ask: Ask
    lines: tuple[Held, ...] = ()


class TeamChanged(Struct, frozen=True, kw_only=True):
    """Operators are others now."""


class Ended(Struct, frozen=True, kw_only=True):
    """Attempts have ended: the next of them is to be looked at."""


class CallAnswered(Struct, frozen=True, kw_only=True):
    """A call that waits for an operator was answered."""

    claim: Claim
    call: CallConnected


class OperatorRefused(Struct, frozen=True, kw_only=True):
    """The operator of the claim, to whom its call was offered, is surely not free."""

    claim: Claim


class Surveyed(Struct, frozen=True, kw_only=True):
    """What lines there are, busy or not."""

    there: There


Report = Offered | Ended | Surveyed | Word | ListsChanged | Joined | TeamChanged | CallAnswered | OperatorRefused
