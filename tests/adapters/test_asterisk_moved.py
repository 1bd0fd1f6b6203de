"""What the adapter tells of calls that are moved on, and of registrations, on the virtual PBX."""

from pathlib import Path

from actors.adapters.asterisk import GAP
from actors.telephony.reports import CallPhase, CdrSeen
from actors.trunk.pbx import PbxReport, RegistrationSeen
from bus_schemas.call import EndReason
from bus_schemas.trunk import TrunkConfig
from simulators.pbx.channel import Trunk
from tests.support.pbx import Subject, subject, virtual_pbx


async def over(pbx: Subject, call_id: str) -> tuple[EndReason | None, list[CdrSeen]]:
    """Why a call ended, and what was counted of it, after which nothing more is told."""
    await pbx.until(lambda report: isinstance(report, CdrSeen) and report.call_id == call_id)
    (end,) = [seen for seen in pbx.calls(call_id) if seen.phase is CallPhase.DISCONNECTED]
    return end.reason, [report for report in pbx.heard if isinstance(report, CdrSeen) and report.call_id == call_id]


async def test_a_call_that_is_passed_on_goes_on_and_is_counted_as_one(tmp_path: Path) -> None:
    async with virtual_pbx(tmp_path) as address, subject(address) as pbx:
        await pbx.linked()
        assert address.virtual is not None
        pbx.asterisk._up_since -= GAP  # just after a login nobody could say who ended it
        await pbx.dial("c_moved", "+380991230007")
        await pbx.until(lambda report: getattr(report, "phase", None) is CallPhase.ACTIVE)
        address.virtual.calls.pass_on(address.virtual.calls.channels["c_moved"])
        assert len((await pbx.asterisk.look("c_moved")).live) == 1
        await pbx.asterisk.hang_up("c_moved")
        reason, counted = await over(pbx, "c_moved")
        assert reason is EndReason.HANGUP_LOCAL
        assert counted == [CdrSeen(call_id="c_moved", disposition="ANSWERED", billable_seconds=0)]


async def test_a_phone_that_rang_in_vain_beside_another_one_is_no_end(tmp_path: Path) -> None:
    async with virtual_pbx(tmp_path) as address, subject(address) as pbx:
        await pbx.linked()
        assert address.virtual is not None
        address.virtual.calls.extensions["12"] = "forked"
        await pbx.dial("c_forked", "+380991230006")
        reason, counted = await over(pbx, "c_forked")
        assert reason is EndReason.HANGUP_REMOTE and [one.disposition for one in counted] == ["ANSWERED"]


async def test_no_order_lets_a_provider_redirect_or_transfer_it(tmp_path: Path) -> None:
    async with virtual_pbx(tmp_path) as address, subject(address) as pbx:
        await pbx.linked()
        await pbx.dial("c_redirected", "+380991230007")
        for variable in (b"FORWARD_CONTEXT", b"TRANSFER_CONTEXT"):  # tests/live/test_redirected.py: what that does
            assert variable + b"=ottb-nowhere" in pbx.wire.sent


async def test_one_account_with_two_providers_is_two_registrations(tmp_path: Path) -> None:
    trunks = {name: Trunk(registration="Registered") for name in ("trunk-1", "trunk-2")}
    async with virtual_pbx(tmp_path, trunks=trunks) as address, subject(address, registration="trunk-1") as pbx:
        other: list[PbxReport] = []
        pbx.asterisk.attach(TrunkConfig(name="two", endpoint="trunk-2", registration="trunk-2"), other.append)
        await pbx.until(lambda report: isinstance(report, RegistrationSeen) and report.status == "Registered")
        assert address.virtual is not None
        address.virtual.registration("trunk-1", "Rejected")
        await pbx.until(lambda report: isinstance(report, RegistrationSeen) and report.status == "Rejected")
        assert RegistrationSeen(status="Rejected") not in other
