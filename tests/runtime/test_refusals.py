"""Refusals that are constants keep nothing of those whom they were said to."""

from actors.runtime.bus import Headers, Message
from actors.runtime.context import Context
from actors.runtime.wire import answer
from bus_schemas.call import GET_CDR, Cdr, GetCdr
from bus_schemas.errors import ErrorCode, Refusal

NO_RECORD = Refusal(ErrorCode.NOT_FOUND, "No record.")


async def test_a_constant_refusal_does_not_grow_with_each_time_it_is_raised() -> None:
    said: list[bytes] = []

    async def reply(body: bytes, headers: Headers) -> None:
        said.append(body)

    async def refuse(request: GetCdr, context: Context) -> Cdr:
        raise NO_RECORD

    message = Message(
        subject=GET_CDR.subject, data=b'{"call_id":"c_1"}', headers={"Ottb-Actions": "call.view"}, reply=reply
    )
    for _ in range(3):
        await answer(message, GET_CDR, refuse)
        assert NO_RECORD.__traceback__ is None and NO_RECORD.__context__ is None
    assert len(said) == 3 and b"No record." in said[0]
