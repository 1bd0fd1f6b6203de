"""What the calls of a campaign go out on: slots with their phones, trunks, or both."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import Region, SlotId, TrunkName

Weight = Annotated[int, Meta(ge=1, le=100)]
Priority = Annotated[int, Meta(ge=-100, le=100)]


class SlotsOf(StrEnum):
    """Whose slots."""

    OWN = "own"  # of the campaign's maker
    POOL = "pool"
    BOTH = "both"


class SlotCarrier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slots. `regions`: of their SIMs; `slots`: these alone; empty: all. `weight`: its share of the dials, where other
    carriers of the campaign could take them as well."""

    of: SlotsOf = SlotsOf.BOTH
    regions: Annotated[tuple[Region, ...], Meta(max_length=300)] = ()
    slots: Annotated[tuple[SlotId, ...], Meta(max_length=1000)] = ()
    weight: Weight = 1


class TrunkCarrier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Trunks. `extensions`: of these slots; whoever answers is joined with one that is free; none are needed for calls
    that wait for an operator (`power` and `predictive` with a team). `trunks`: these alone, also some that are not
    there yet; empty: all. `weight`: as with slots."""

    extensions: Annotated[tuple[SlotId, ...], Meta(max_length=1000)] = ()
    trunks: Annotated[tuple[TrunkName, ...], Meta(max_length=300)] = ()
    weight: Weight = 1


class Carriers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may carry a call. Null: none of these; not both."""

    slots: SlotCarrier | None = SlotCarrier()
    trunks: TrunkCarrier | None = None
