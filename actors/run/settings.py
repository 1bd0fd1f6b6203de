"""The settings of scripts."""

import re
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

_CODE = re.compile(r"[*#][0-9*#]{1,38}#\Z")


class Scripts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`folder`: the site's own scripts, beside those that are shipped; one of the same name stands for the shipped one.
    Empty: none. The same on every host, which each read a folder of their own machine. `ussd`: the service codes that
    scripts may send, exactly as they are sent; none: no script sends any. `waiting`: runs that may wait for one slot;
    `waiting_per_user`: of one user, for all slots of a host together; `wait_at_most`: seconds that one waits."""

    folder: str = ""
    ussd: tuple[str, ...] = ()
    waiting: Annotated[int, Meta(ge=0, le=100)] = 10
    waiting_per_user: Annotated[int, Meta(ge=0, le=100)] = 5
    wait_at_most: Annotated[float, Meta(gt=0, le=86_400)] = 3600.0

    def mistakes(self) -> Iterator[str]:
        """What is wrong with values that have the right form, each with its place."""
        for at, code in enumerate(self.ussd):
            if not _CODE.match(code):
                yield f"scripts.ussd[{at}]: {code!r} is no service code, like *111#"
