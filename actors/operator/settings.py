"""The settings of operators."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct, field

from bus_schemas.lead import Meaning, Words

DISPOSITIONS: Mapping[str, Meaning] = {
    "sale": Meaning.DONE,
    "callback": Meaning.CALLBACK,
    "not_interested": Meaning.DONE,
    "wrong_number": Meaning.DONE,
    "do_not_call": Meaning.DO_NOT_CALL,
    "no_decision": Meaning.IN_PROGRESS,
}


class Operators(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How operators work at this site; its days are those of `dial.timezone`. `wrap_up_seconds`: after each call, 0:
    none; `wrap_up_longest`: with all that an operator adds. `presence_seconds`: after which somebody of whom nothing is
    heard is offline. `reserve_seconds`: for which a campaign may keep one. `dispositions`: the words for what came of a
    call, with what each means for the lead."""

    wrap_up_seconds: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    wrap_up_longest: Annotated[float, Meta(ge=0, le=24 * 3600)] = 1800.0
    presence_seconds: Annotated[float, Meta(ge=15, le=24 * 3600)] = 60.0
    reserve_seconds: Annotated[float, Meta(ge=0.5, le=60)] = 2.0
    dispositions: Words = field(
        default_factory=lambda: dict(DISPOSITIONS)
    )
