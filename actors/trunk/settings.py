"""The settings of the PBXs."""

from typing import Annotated

from msgspec import Struct

from actors.runtime.settings import Port
from bus_schemas.fields import shaped

Context = Annotated[
    str, shaped(r"^[A-Za-z0-9_-]{0,64}$(?!\n)", "at most 64 letters (A-Z, a-z), digits, `_` or `-`")
]


class Ami(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Asterisk and how it is spoken to. A slot's extension is `<slot>@<context>` there, or, where `context` is
    empty, the PJSIP endpoint `endpoint` (`{slot}` is the number). `operators_context`: where the extensions of users
    are; empty: no call is taken to them. One that was answered waits for that at `wait@<waiting_context>`.
    `recordings`: the folder with the recordings of this PBX, as this machine sees it; empty: none are made. `owner`:
    the user (a number) that it runs as, where it is on this machine: nobody else is told the secret. None: whoever
    listens."""

    host: str = "127.0.0.1"
    port: Port = 5038
    user: Annotated[str, shaped(r"^[!-~]{1,64}$(?!\n)", "1 to 64 characters of ASCII without blanks")] = "ottb"
    secret: Annotated[str, shaped(r"^[!-~]{1,128}$(?!\n)", "1 to 128 characters of ASCII without blanks")] | None = None
    owner: int | None = None
    context: Context = "ottb-slots"
    endpoint: Annotated[
        str, shaped(r"^[A-Za-z0-9_-]{0,32}(\{slot\})?[A-Za-z0-9_-]{0,32}$(?!\n)", "a name, perhaps with `{slot}` in it")
    ] = "slot{slot}"
    operators_context: Context = ""
    waiting_context: Context = "ottb-waiting"
    recordings: str = ""
