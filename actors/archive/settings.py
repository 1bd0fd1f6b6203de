"""The settings of the archive."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

LEAST_DAYS = 2  # far longer than anybody waits or is paused who has asked the journal before


class Archive(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`enabled`: each day of the journal is sealed in a file when it is over. `folder`: where, the same one for all
    hosts of a site; empty: `archive` in the state folder. It is as secret as the journal. `journal_days`: what is over
    leaves the journal after so many days, once it is sealed and every host has read its file; 0: nothing ever does."""

    enabled: bool = False
    folder: str = ""
    journal_days: Annotated[int, Meta(ge=0)] = 0

    def mistakes(self) -> Iterator[str]:
        """What is wrong with values that have the right form."""
        if self.journal_days and not self.enabled:
            yield "archive.journal_days: nothing can leave the journal unless `archive.enabled` is set"
        if 0 < self.journal_days < LEAST_DAYS:
            yield f"archive.journal_days: 0, or at least {LEAST_DAYS}"
