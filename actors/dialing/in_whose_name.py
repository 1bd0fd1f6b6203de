"""In whose name a campaign calls: its maker's, also on their own slots. Pure."""

from actors.runtime.context import Context
from bus_schemas.campaign import CampaignSettings, Operators
from bus_schemas.carriers import SlotsOf
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.permissions import Action

FOR_OPERATORS = frozenset({Action.SLOT_VIEW_ANY, Action.SLOT_USE_ANY})  # on slots of operators who are ready

OTHERS_SLOTS = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED,
    "The campaign calls on slots of whoever made it: another one has it do so with the permission slot.use_any.",
    permission=Action.SLOT_USE_ANY,
)


def must_dial_for(maker: str, settings: CampaignSettings, context: Context) -> None:
    """Raise Refusal where somebody has a campaign of another one dial on slots that may be that one's own. Operators of
    a team have themselves said that they are ready."""
    carriers, team = settings.carriers, settings.operators is Operators.TEAM
    own = carriers.trunks is not None or (carriers.slots is not None and carriers.slots.of is not SlotsOf.POOL)
    if own and not team and context.user != maker and not context.may(Action.SLOT_USE_ANY):
        raise OTHERS_SLOTS()
