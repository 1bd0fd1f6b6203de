"""What can be ordered to go wrong with calls of a virtual PBX: how the provider ends the next ones, and how a slot's
extension behaves when a call is answered. The causes are those that a real Asterisk 22 says there (measured)."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from simulators.carrier.rules import CLEARING, OUT_OF_SERVICE


class Refusal(Struct, frozen=True, kw_only=True):
    """How the provider ends a call: Q.850 `cause` and its `text`, the `sip` status (0: none is told), whether it rings
    before, and the `reason` of the OriginateResponse."""

    cause: int = CLEARING[OUT_OF_SERVICE].q850
    sip: int = CLEARING[OUT_OF_SERVICE].sip
    text: str = "as ordered"
    rings: bool = False
    reason: str = "0"


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
MISSING = "missing"  # the context has no such extension: the Originate is refused


def refusals(values: Mapping[str, Any]) -> list[Refusal]:
    """`{"calls": 5, "cause": 34, "sip": 503}` for the next five calls."""
    how = {name: value for name, value in values.items() if name != "calls"}
    return [Refusal(**how)] * int(values.get("calls", 1))
