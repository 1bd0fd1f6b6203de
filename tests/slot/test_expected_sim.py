"""Whether the SIM that a slot expects is in its phone, as far as phones tell."""

import pytest

from actors.slot.expected_sim import is_right_sim
from actors.slot.phone import Health
from bus_schemas.slot import SlotConfig

ICCID = "8938001234567890123"


@pytest.mark.parametrize(
    ("expected", "told", "right"),
    [
        ({}, {}, True),
        ({}, {"sim_operators": ("25503",)}, True),
        ({"expected_operator": "25501"}, {"sim_operators": ("25501",)}, True),
        ({"expected_operator": "25501"}, {"sim_operators": ("25503",)}, False),
        ({"expected_operator": "25501"}, {"sim_operators": ("25503", "25501")}, True),
        ({"expected_operator": "25501"}, {"iccids": (ICCID,)}, None),
        ({"expected_iccid": ICCID}, {"iccids": (ICCID,)}, True),
        ({"expected_iccid": ICCID}, {"iccids": (f"{ICCID}F",)}, True),
        ({"expected_iccid": ICCID}, {"iccids": (ICCID[:9],)}, True),
        ({"expected_iccid": ICCID[:10]}, {"iccids": (ICCID,)}, True),
        ({"expected_iccid": ICCID}, {"iccids": (f"{ICCID[:-1]}4",)}, False),
        ({"expected_iccid": ICCID}, {"iccids": ("893800199",)}, False),
        ({"expected_iccid": ICCID}, {"sim_operators": ("25501",)}, None),
        (
            {"expected_iccid": ICCID, "expected_operator": "25503"}, {"iccids": (ICCID,), "sim_operators": ("25501",)},
            False,
        ),
    ],
)  # fmt: skip
def test_a_sim_is_right_as_far_as_the_phone_tells(
    expected: dict[str, str], told: dict[str, tuple[str, ...]], right: bool | None
) -> None:
    assert is_right_sim(SlotConfig(id=44, **expected), Health(**told)) is right  # type: ignore[arg-type]
