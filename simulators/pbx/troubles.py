"""What can be ordered to go wrong with calls of a virtual PBX: how the provider ends the next ones, and how a slot's
extension behaves when a call is answered. The causes are those that a real Asterisk 22 says there (measured)."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import shaped
from simulators.carrier.rules import CLEARING, OUT_OF_SERVICE
from simulators.orders import Plain

# What Asterisk makes of a status where nobody sent a cause: `ast_sip_hangup_sip2cause` of res/res_pjsip.c.
SIP_CAUSES: Mapping[int, int] = {
    302: 23, 401: 21, 403: 21, 404: 1, 407: 21, 408: 18, 409: 21, 410: 22, 420: 3, 480: 19, 483: 19, 484: 28, 485: 1,
    486: 17, 488: 58, 500: 38, 501: 29, 502: 27, 503: 34, 504: 102, 600: 17, 603: 21, 604: 1, 606: 58,
}  # fmt: skip
SIP_CAUSES_BY_HUNDRED: Mapping[int, int] = {4: 127, 5: 34, 6: 127}


class Refusal(Plain, frozen=True, kw_only=True):
    """How the provider ends a call: Q.850 `cause` (left out: as Asterisk makes one of the status) and its `text`, the
    `sip` status (0: none is told), whether it rings before, and the `reason` of the OriginateResponse."""

    cause: Annotated[int, Meta(ge=0, le=127)] | None = None
    sip: Annotated[int, Meta(ge=0, le=699)] = CLEARING[OUT_OF_SERVICE].sip
    text: Annotated[str, shaped(r"^[^\r\n]{0,100}$(?!\n)", "up to 100 letters in one line")] = "as ordered"
    rings: bool = False
    reason: Annotated[str, shaped(r"^[0-9]{1,3}$(?!\n)", "a number as a text, like `8`")] = "0"

    @property
    def q850(self) -> int:
        """The cause of the Hangup."""
        if self.cause is not None:
            return self.cause
        by_hundred = SIP_CAUSES_BY_HUNDRED.get(self.sip // 100, CLEARING[OUT_OF_SERVICE].q850)
        return SIP_CAUSES.get(self.sip, by_hundred)


class Extension(Struct, frozen=True, kw_only=True):
    """What dialling a slot's extension comes to: `status` of its DialEnd (empty: nothing could be dialled), and the
    cause that our channel then ends with. `joins`: somebody takes it; `in_vain`: so many phones
    rang before."""

    status: str = ""
    cause: int = 0
    text: str = ""
    sip: int = 0
    joins: bool = False
    in_vain: int = 0


EXTENSIONS: Mapping[str, Extension] = {
    "tone": Extension(joins=True),  # as in the sandbox's dialplan: nobody is dialled
    "taken": Extension(status="ANSWER", joins=True),
    "forked": Extension(status="ANSWER", joins=True, in_vain=1),  # two phones, and the second takes it
    "offline": Extension(cause=3, text="No route to destination", sip=404),
    "busy": Extension(status="BUSY", cause=17, text="User busy", sip=486),
    "silent": Extension(status="NOANSWER", cause=16, text="Normal Clearing"),
    "fails": Extension(status="CONGESTION", cause=38, text="Network out of order", sip=500),
}
NOWHERE_TO_GO = Extension(cause=1, text="Unallocated (unassigned) number")  # an invalid extension, as `i` ends it
MISSING = "missing"  # the context has no such extension: the Originate is refused
