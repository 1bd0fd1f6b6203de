"""The settings of the archive."""

from msgspec import Struct


class Archive(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`enabled`: each day of the journal is sealed in a file when it is over. `folder`: where, the same one for all
    hosts of a site; empty: `archive` in the state folder. It is as secret as the journal."""

    enabled: bool = False
    folder: str = ""
