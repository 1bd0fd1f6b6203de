"""How a call ended, from what Asterisk 22 says of it: why, and what that says of the trunk. Pure.

`Cause` of a Hangup is a Q.850 number (ITU-T Q.850, 2.2.7), which Asterisk makes of the SIP status if the provider
sends none; `TechCause` (22.7 and later) is that status: it alone tells 403 from 603, which are both cause 21. What is
right for each is in `tests/field/trunk_ends.toml`.

After the answer the callee is not blamed for anything. A call that the far side did not end, and for which nobody took
the slot's extension, ended because of that: dialling it hands its cause (3 offline, 17 busy, 34 ...) to our channel.
"""

from collections.abc import Mapping

from msgspec import Struct

from actors.adapters.ami import AmiMessage
from actors.telephony.reports import OfLine
from bus_schemas.call import EndReason

R = EndReason

Q850: Mapping[int, EndReason] = {
    1: R.INVALID_NUMBER, 2: R.INVALID_NUMBER, 3: R.INVALID_NUMBER, 22: R.INVALID_NUMBER, 28: R.INVALID_NUMBER,
    16: R.HANGUP_REMOTE, 17: R.BUSY, 18: R.NO_ANSWER, 19: R.NO_ANSWER, 20: R.UNREACHABLE, 21: R.REJECTED,
    27: R.UNREACHABLE,
}  # fmt: skip
# `Reason` of OriginateResponse (`include/asterisk/frame.h`, AST_CONTROL_*): 3 ringing, 5 busy, 8 congestion.
ORIGINATE: Mapping[str, tuple[EndReason, OfLine]] = {
    "3": (R.NO_ANSWER, OfLine.NONE), "5": (R.BUSY, OfLine.CARRIED), "8": (R.NETWORK, OfLine.FAILED)
}  # fmt: skip

ANSWERED = "ANSWERED"  # a Disposition
SAYS_NOTHING = frozenset({0, 16, 31, 127})  # of why a call could not be set up
OF_CALLEE = frozenset({1, 16, 17, 20, 21, 22})  # told by the called side's network, so the trunk reached it
BARRED_BY_US, BARRED_BY_CALLEE = 52, frozenset({54, 55})  # outgoing calls, incoming calls
# No resource (34, 38, 41, 42, 44, 47 ...), no service (58 ...), not implemented; and a timer that ran out.
OF_TRUNK = frozenset({*range(32, 80), 102}) - {BARRED_BY_US} - BARRED_BY_CALLEE
SIP_OF_TRUNK = frozenset({500, 503, 504})
SIP_REFUSES_US = frozenset({401, 402, 403, 407})


class Ending(Struct):
    """What is known of how a call ends."""

    endpoint: str
    rang: bool = False
    up: bool = False
    far: bool = False  # the far side asked for it
    joined: bool = False  # the slot's extension was
    unjoined: str = ""  # how dialling the extension ended instead, in Asterisk's words
    gone: bool = False  # its Hangup was heard
    cause: int = 0
    sip: int = 0
    words: str = ""
    originate: str | None = None  # `Reason` of an OriginateResponse that says Failure
    told: bool = False
    disposition: str = ""  # of all its Cdr events
    billed: int = 0  # seconds
    counting: bool = False  # more of them may come at once

    @property
    def clear(self) -> bool:
        """Whether nothing that may still come could say more."""
        return self.gone and (self.up or self.cause != 0 or self.originate is not None)

    def hang_up(self, event: AmiMessage) -> None:
        """Take in its Hangup."""
        self.gone = True
        self.cause, self.sip = _whole(event.get("Cause", "")), _whole(event.get("TechCause", ""))
        self.words = event.get("Cause-txt", "")

    def dialled(self, status: str) -> None:
        """Take in how dialling the slot's extension ended."""
        self.joined = self.joined or status == "ANSWER"
        self.unjoined = status

    def count(self, event: AmiMessage) -> None:
        """Take in one of its Cdr events: each part of a call that was moved on has one, and each phone that rang."""
        self.counting = True
        self.billed += _whole(event.get("BillableSeconds", ""))
        if self.disposition != ANSWERED:
            self.disposition = event.get("Disposition", "")[:32]


def end_of(ending: Ending) -> tuple[EndReason, OfLine]:
    """Why a call ended, and what that says of its trunk."""
    return (_after_answer(ending), OfLine.NONE) if ending.up else _before_answer(ending)


def cause_of(ending: Ending) -> str:
    """`SIP 486, Q.850 17 User busy`, as far as it is told."""
    parts = [f"SIP {ending.sip}"] if ending.sip else []
    if ending.cause:
        parts.append(f"Q.850 {ending.cause} {ending.words}".strip())
    if not parts and ending.originate is not None:
        parts.append(f"Asterisk could not place the call (originate reason {ending.originate})")
    if ending.unjoined and not ending.joined:
        parts.append(f"the slot's extension: {ending.unjoined}")
    return ", ".join(parts) or "no cause was given"


def _after_answer(ending: Ending) -> EndReason:
    if ending.cause in OF_TRUNK and (ending.far or ending.joined):
        return R.NETWORK
    if ending.far:
        return R.HANGUP_REMOTE
    failed = ending.unjoined or ending.cause not in (0, 16)
    return R.EXTENSION_FAILED if failed and not ending.joined else R.HANGUP_LOCAL


def _before_answer(ending: Ending) -> tuple[EndReason, OfLine]:
    if ending.cause in SAYS_NOTHING and ending.sip in SIP_OF_TRUNK:
        return R.NETWORK, OfLine.FAILED
    if ending.cause == 0 and (ending.originate in ORIGINATE or not ending.gone):
        return ORIGINATE.get(ending.originate or "", (R.NETWORK, OfLine.FAILED))
    if ending.cause == 0:
        return R.UNKNOWN, OfLine.NONE
    if not ending.rang and (ending.sip in SIP_REFUSES_US or ending.cause == BARRED_BY_US):
        return R.TRUNK_REFUSED, OfLine.REFUSED
    said = OfLine.FAILED if ending.cause in OF_TRUNK else OfLine.NONE
    return Q850.get(ending.cause, R.NETWORK), OfLine.CARRIED if ending.cause in OF_CALLEE else said


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
