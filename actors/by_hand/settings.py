"""The settings of work by hand."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import shaped
from bus_schemas.slot_files import MOST

Folder = Annotated[
    str, shaped(r"^(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]{1,100}){1,8}$(?!\n)", "a folder of phones, as `/sdcard`")
]  # fmt: skip


class ByHand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`folders`: of phones, in which files are pulled and pushed, with those below; links lead to nothing outside of
    them, and nothing is pushed to where programs are run from. `file_limit`, `app_limit`: bytes of a file, and of an
    APK. `longest_reservation`: minutes."""

    folders: tuple[Folder, ...] = ("/sdcard",)
    file_limit: Annotated[int, Meta(ge=1, le=MOST)] = 256 * 2**20
    app_limit: Annotated[int, Meta(ge=1, le=MOST)] = 512 * 2**20
    longest_reservation: Annotated[int, Meta(ge=1, le=10_080)] = 480
