"""What clients of the live feed pass."""

from typing import Annotated

from msgspec import Meta

Seq = Annotated[int, Meta(ge=0)]  # the last that a client has seen, of the journal or the log
