"""How the provider's addresses of the field (tests/field/trunk_contacts.toml) are told, and when they change."""

from pathlib import Path
from typing import Any

import pytest

from actors.trunk.pbx import Contact, ContactSeen
from simulators.pbx.channel import Trunk
from tests.support.field import cases
from tests.support.pbx import Subject, subject, virtual_pbx


def latest(pbx: Subject) -> ContactSeen:
    return [report for report in pbx.heard if isinstance(report, ContactSeen)][-1]


@pytest.mark.parametrize("case", cases("trunk_contacts"), ids=lambda case: case["where"])
async def test_all_addresses_of_an_endpoint_count(tmp_path: Path, case: dict[str, Any]) -> None:
    trunk = Trunk(contacts=list(case["contacts"]), aors=tuple(case.get("aors", ())))
    async with virtual_pbx(tmp_path, trunks={"trunk-1": trunk}) as address, subject(address) as pbx:
        seen = await pbx.until(lambda report: isinstance(report, ContactSeen))
        assert seen.status == case["right"] and (seen.rtt_ms is not None) == (case["right"] == "Reachable")


async def test_an_endpoint_that_nobody_knows_is_unknown(tmp_path: Path) -> None:
    async with virtual_pbx(tmp_path) as address, subject(address, endpoint="nowhere") as pbx:
        assert (await pbx.until(lambda report: isinstance(report, ContactSeen))).status is Contact.UNKNOWN


async def test_what_changes_at_one_address_has_all_of_them_asked_for(tmp_path: Path) -> None:
    trunk = Trunk(contacts=["Reachable", "Reachable"])
    async with virtual_pbx(tmp_path, trunks={"trunk-1": trunk}) as address, subject(address) as pbx:
        assert address.virtual is not None
        await pbx.until(lambda report: isinstance(report, ContactSeen))
        for status, number, right in (
            ("Unreachable", 1, Contact.REACHABLE),
            ("Unreachable", 2, Contact.UNREACHABLE),
            ("Removed", 2, Contact.UNREACHABLE),
            ("Removed", 1, Contact.MISSING),
            ("Reachable", 1, Contact.REACHABLE),
        ):
            pbx.heard.clear()
            address.virtual.contact("trunk-1", status, number)
            assert (await pbx.until(lambda report: isinstance(report, ContactSeen))).status is right, status
