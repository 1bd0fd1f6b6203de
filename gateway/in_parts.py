"""What is too much for one message of the bus, asked in parts."""

from typing import Any

import msgspec
from msgspec.structs import replace

from actors.runtime.bus import Bus, BusError, Message
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.wire import SEQ_HEADER, UNCHANGED_HEADER, ask_raw
from gateway.idempotency import AWAY
from gateway.routes import Parts


async def ask_in_parts(bus: Bus, parts: Parts, request: Any, context: Context) -> Message:
    """Ask what is too much for one message, a part after the other. Raises the first Refusal: the same request again
    changes nothing for the parts before it."""
    answers: list[Any] = []
    answered: Message | None = None
    seq, changed = "0", False
    try:
        end = await bus.last_seq()
    except BusError:
        raise AWAY() from None
    for number, part in enumerate(parts.split(request, end)):
        if answers:
            part = parts.after(part, answers)
        asked = replace(context, command_id=derived("p", context.command_id, str(number))) if number else context
        answered = await ask_raw(bus, parts.rpc, part, asked)
        answers.append(msgspec.json.decode(answered.data, type=parts.rpc.reply))
        seq, changed = answered.headers.get(SEQ_HEADER, seq), changed or UNCHANGED_HEADER not in answered.headers
    assert answered is not None  # there is one part at least
    headers = {SEQ_HEADER: seq} | ({} if changed else {UNCHANGED_HEADER: "1"})
    return replace(answered, data=msgspec.json.encode(parts.joined(answers)), headers=headers)
