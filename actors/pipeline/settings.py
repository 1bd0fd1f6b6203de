"""The settings of pipelines."""

from typing import Annotated

from msgspec import Meta, Struct


class Pipelines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`folder`: the site's own definitions, beside those that are shipped; empty: none. The same on every host.
    `shipped`: whether the shipped ones are there. `lost_after`: seconds without a word of its runner after which a run
    is lost. `per_user`: how many of one user's each host has, beside those of the folders."""

    folder: str = ""
    shipped: bool = True
    lost_after: Annotated[float, Meta(ge=2, le=3600)] = 30.0
    per_user: Annotated[int, Meta(ge=1, le=10_000)] = 200
