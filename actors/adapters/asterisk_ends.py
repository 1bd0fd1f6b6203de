"""How a call ended, from what Asterisk 22 says of it: why, and what that says of the trunk. Pure.

`Cause` of a Hangup is a Q.850 number (ITU-T Q.850, 2.2.7), which a Reason header of the provider's brings (RFC 3326) or
Asterisk makes of the SIP status (`ast_sip_hangup_sip2cause`, res/res_pjsip.c; the numbers: causes.h); `TechCause`
(22.7 and later) is that status. What each means: RFC 3261, 21, and RFC 3398, 7.2.4.1, by which gateways make statuses
of causes: 403 of 21, but also of 55, 57 and 87; 500 of 127 and whatever is not in its list; 503 also of 88. So:

| The cause                                                   | decides            | is it held against the trunk?   |
|-------------------------------------------------------------|--------------------|---------------------------------|
| none, 16, or the one that Asterisk makes of the status      | the status         | as `STATUSES` says              |
| says what it was (is in `CAUSES`)                           | the cause          | as `CAUSES` says                |
| another one (31, 127 ...: no particulars from further on)   | the status, but of | as `STATUSES` says              |
|                                                             | `ALONE` none       | no                              |
| none, and no status that says anything                      | the originate      | as `ORIGINATE` says             |
|                                                             | reason             |                                 |

A status that is not in its table says nothing, and so does 16 with such a one or none. Once it has rung, a provider
does not refuse us: the callee declines. What is right for each is in `tests/field/trunk_ends.toml`.

After the answer the callee is not blamed for anything. A call that the far side did not end, and for which nobody took
the slot's extension, ended because of that: dialling it hands its cause (3 offline, 17 busy, 34 ...) to our channel.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from actors.adapters.ami import AmiMessage
from actors.telephony.reports import WORDS, OfLine
from bus_schemas.call import EndReason

R = EndReason
Said = tuple[EndReason, OfLine]

NOBODY = (R.INVALID_NUMBER, OfLine.CARRIED)  # told by the called side's network, so the trunk reached it
NO_NUMBER = (R.INVALID_NUMBER, OfLine.NONE)
BUSY = (R.BUSY, OfLine.CARRIED)
NO_ANSWER = (R.NO_ANSWER, OfLine.NONE)
DECLINED = (R.REJECTED, OfLine.CARRIED)
UNCLEAR = (R.NETWORK, OfLine.NONE)
FAILED = (R.NETWORK, OfLine.FAILED)
REFUSED = (R.TRUNK_REFUSED, OfLine.REFUSED)

OF_US = frozenset({50, 52, 53, 57})  # not subscribed to, outgoing calls barred (in a closed group), not authorized
OF_CALLEE = frozenset({54, 55})  # incoming calls barred, in a closed group
# No resource (34, 38, 41, 42, 44, 47 ...), no service (58 ...), not implemented; and a timer that ran out.
OF_TRUNK = frozenset({*range(32, 80), 102}) - OF_US - OF_CALLEE
CAUSES: Mapping[int, Said] = {
    1: NOBODY, 22: NOBODY, 2: NO_NUMBER, 3: NO_NUMBER, 28: NO_NUMBER,
    16: UNCLEAR,  # normal clearing, of a call that nobody had answered
    17: BUSY, 18: NO_ANSWER, 19: NO_ANSWER,
    20: (R.UNREACHABLE, OfLine.CARRIED), 27: (R.UNREACHABLE, OfLine.NONE), 21: DECLINED,
    87: UNCLEAR, 88: UNCLEAR,  # the callee is not of our closed group; its phone takes no speech
    **dict.fromkeys(OF_CALLEE, UNCLEAR), **dict.fromkeys(OF_US, REFUSED), **dict.fromkeys(OF_TRUNK, FAILED),
}  # fmt: skip
# By SIP status: the cause that Asterisk makes of it, and what it says.
STATUSES: Mapping[int, tuple[int, Said]] = {
    401: (21, REFUSED), 402: (127, REFUSED), 403: (21, REFUSED), 407: (21, REFUSED),
    404: (1, NOBODY), 410: (22, NOBODY), 485: (1, NOBODY), 604: (1, NOBODY), 484: (28, NO_NUMBER),
    408: (18, NO_ANSWER), 480: (19, NO_ANSWER), 486: (17, BUSY), 600: (17, BUSY),
    603: (21, DECLINED), 607: (127, DECLINED), 608: (127, (R.REJECTED, OfLine.NONE)),  # RFC 8197, RFC 8688
    420: (3, UNCLEAR), 483: (19, UNCLEAR),  # a SIP extension, a loop: no number, nobody who does not answer
    500: (38, FAILED), 502: (27, (R.UNREACHABLE, OfLine.NONE)), 503: (34, FAILED), 504: (102, FAILED),
}  # fmt: skip
ALONE = frozenset({401, 402, 403, 407, 500})  # of these a gateway makes too much to believe them beside another cause
# `Reason` of OriginateResponse (`include/asterisk/frame.h`, AST_CONTROL_*): 3 ringing, 5 busy, 8 congestion.
ORIGINATE: Mapping[str, Said] = {"3": NO_ANSWER, "5": BUSY, "8": FAILED}
NOT_PLACED = "0"  # a redirection is followed to nowhere, at times before Asterisk has noted the cause of the end

ANSWERED = "ANSWERED"  # a Disposition
_WHOLE = re.compile(r"[0-9]{1,9}")


class Ending(Struct):
    """What is known of how a call ends."""

    endpoint: str
    rang: bool = False
    up: bool = False
    far: bool = False  # the far side asked for it
    joined: bool = False  # the slot's extension was
    unjoined: str = ""  # how dialling the extension ended instead, in Asterisk's words
    waited: bool = False  # and nobody was joined to whoever answered
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
        self.words = event.get("Cause-txt", "")[:WORDS]

    def dialled(self, status: str) -> None:
        """Take in how dialling the slot's extension ended."""
        self.joined = self.joined or status == "ANSWER"
        self.unjoined = status[:WORDS]

    def count(self, event: AmiMessage) -> None:
        """Take in one of its Cdr events: each part of a call that was moved on has one, and each phone that rang."""
        self.counting = True
        self.billed += _whole(event.get("BillableSeconds", ""))
        if self.disposition != ANSWERED:
            self.disposition = event.get("Disposition", "")[:32]


def end_of(ending: Ending) -> Said:
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
    if ending.waited and not ending.far:
        parts.append("it waited, and nobody was joined to it")
    return ", ".join(parts) or "no cause was given"


def _after_answer(ending: Ending) -> EndReason:
    if ending.cause in OF_TRUNK and (ending.far or ending.joined):
        return R.NETWORK
    if ending.far:
        return R.HANGUP_REMOTE
    failed = ending.waited or ending.unjoined or ending.cause not in (0, 16)
    return R.EXTENSION_FAILED if failed and not ending.joined else R.HANGUP_LOCAL


def _before_answer(ending: Ending) -> Said:
    said = _said(ending)
    return DECLINED if ending.rang and said is REFUSED else said


def _said(ending: Ending) -> Said:
    """By the table above."""
    made, by_status = STATUSES.get(ending.sip, (0, None))
    unsent = ending.cause in (0, 16, made)
    if by_status is not None and (unsent or (ending.cause not in CAUSES and ending.sip not in ALONE)):
        return by_status
    if ending.cause:
        return CAUSES.get(ending.cause, UNCLEAR)
    if ending.sip:
        return UNCLEAR
    if ending.originate in ORIGINATE or not ending.gone:
        return ORIGINATE.get(ending.originate or "", FAILED)
    return UNCLEAR if ending.originate == NOT_PLACED else (R.UNKNOWN, OfLine.NONE)


def _whole(text: str) -> int:
    """A number of the PBX, which records can hold; 0 where it is none."""
    return int(text) if _WHOLE.fullmatch(text) else 0
