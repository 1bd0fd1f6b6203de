"""The settings of a host's runner."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.pipeline import Label


class Runner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether this host carries runs of pipelines out (`enabled`), which (`labels`), and how many at once. `user`:
    whose processes steps are, where the host is root; empty: the host's own. `folder`: of workspaces and caches; empty:
    the state folder, into which no `user` of steps can get. `repositories`: folders and beginnings
    of URLs that pipelines may check out. `bubblewrap`: steps are kept apart by it where it is installed;
    `visible`: further folders that they may read then. `disk_free`: MiB without which no run is begun."""

    enabled: bool = True
    labels: tuple[Label, ...] = ("linux",)
    at_once: Annotated[int, Meta(ge=1, le=64)] = 2
    user: str = ""
    folder: str = ""
    repositories: tuple[str, ...] = ()
    bubblewrap: bool = True
    visible: tuple[str, ...] = ()
    disk_free: Annotated[int, Meta(ge=0)] = 256
