"""The settings of imports."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


class Imports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`folder`: whose files may be imported by their path, each with those below it; empty: none. The same on every
    host, which each read a folder of their own machine. `at_once`: lists that a host reads at once; others wait in
    their order."""

    folder: str = ""
    at_once: Annotated[int, Meta(ge=1, le=16)] = 2

    @property
    def allowed(self) -> Path | None:
        return Path(self.folder) if self.folder else None
