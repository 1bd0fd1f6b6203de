"""Field types that several kinds share. A type that becomes a token of a subject matches `contract.token`."""

from typing import Annotated

from msgspec import Meta

CallId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", examples=["c_882"])]
SlotId = Annotated[int, Meta(ge=1, le=99999, examples=[44])]
TrunkName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,58}$(?!\n)", examples=["trunk-1"])]
LineName = Annotated[str, Meta(pattern=r"^(slot|trunk)-[A-Za-z0-9_-]{1,58}$(?!\n)", examples=["slot-44", "trunk-main"])]
HostName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", examples=["local"])]
Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)", examples=["UA"])]
Utc = Annotated[str, Meta(description="UTC, ISO 8601.", examples=["2025-11-15T10:30:00Z"])]
