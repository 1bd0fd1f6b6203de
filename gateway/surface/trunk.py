"""SIP trunks and what went through them over HTTP, and what Socket.IO clients hear of a trunk."""


from msgspec import Struct

from bus_schemas.call import GET_CDR, GET_RECORDING, LIST_CDRS
from bus_schemas.fields import TrunkName
from bus_schemas.trunk import DIAL_PBX, PBX_STATUS, TRUNK, TRUNK_CHANGED, GetPbxStatus, TrunkUpdate
from gateway.routes import Listing, Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method    path                            contract       status part
    Route("GET",    "/api/pbx/status",               PBX_STATUS,    200, P.OTTB, light=True),
    Route("POST",   "/api/pbx/dial",                 DIAL_PBX,      201, P.OTTB, True),
    Route("GET",    "/api/pbx/cdr",                  LIST_CDRS,     200, P.OTTB, table=True, whole=True),
    Route("GET",    "/api/pbx/cdr/{call_id}",        GET_CDR,       200, P.OTTB, light=True),
    Route("GET",    "/api/pbx/recordings/{call_id}", GET_RECORDING, 200, P.OTTB, file=True),
)
# fmt: on


def present(event: Struct) -> TrunkUpdate:
    """What an event says of its trunk."""
    return TrunkUpdate(**shared_fields(event, TrunkUpdate))


ROOM = Room(
    TRUNK, TrunkUpdate, (TRUNK_CHANGED,), present, narrows=(("trunk", TrunkName),),
    board=True, whole=lambda update: update.trunk,
    listing=Listing(
        rpc=PBX_STATUS, page=lambda cursor: GetPbxStatus(), under="trunks",
        named={"trunk": "name"},
    ),
)  # fmt: skip
