"""The columns of a read model, from the struct of its rows."""

from typing import Any, Literal

import pytest
from msgspec import Struct, defstruct

from actors.ledger.model import columns


class Row(Struct, frozen=True):
    seq: int
    name: str
    late: bool | None = None


def test_columns_are_the_fields_of_a_row() -> None:
    found = columns(Row, primary="seq", unique="name")
    assert [(column.name, column.primary_key, bool(column.unique), column.nullable) for column in found] == [
        ("seq", True, False, False), ("name", False, True, False), ("late", False, False, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "hint", [float, bytes, list[str], dict[str, int], int | str, int | str | None, Literal["a"], None, Any]
)
def test_a_field_that_no_column_takes_is_named(hint: Any) -> None:
    row = defstruct("OddRow", [("seq", int), ("odd", hint)])
    with pytest.raises(TypeError, match=r"OddRow\.odd: .* no column takes that, but str, int or bool"):
        columns(row, primary="seq")


@pytest.mark.parametrize("keys", [{"primary": "sequence"}, {"primary": "seq", "unique": "nmae"}])
def test_a_key_that_is_no_field_is_named(keys: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=r"Row has no field (sequence|nmae)"):
        columns(Row, **keys)
