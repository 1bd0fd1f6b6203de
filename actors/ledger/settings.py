"""Where the records are."""

from typing import Annotated

from msgspec import Struct

from bus_schemas.fields import shaped

POSTGRES_URL = r"^$(?!\n)|^postgres(ql)?://([^@/\s]*@)?([A-Za-z0-9._-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/\S*$(?!\n)"


class LedgerStore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` (`postgresql://user:password@host:5432/database`): in that database, in a schema for each host; empty: in a
    file of the state folder."""

    url: Annotated[str, shaped(POSTGRES_URL, "an address like `postgresql://user:password@host:5432/database`")] = ""
