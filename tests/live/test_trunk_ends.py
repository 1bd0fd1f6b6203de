"""What a real Asterisk makes of the ends of the field (tests/field/trunk_ends.toml), with SIPp as the provider."""

from pathlib import Path

import pytest

from actors.telephony.reports import CallPhase, CallSeen, CdrSeen
from tests.support.field import cases
from tests.support.pbx import real_pbx, subject
from tests.support.sipp import Refusal, far_end

# What SIPp can answer to an INVITE. Asterisk drops a Reason header there, and makes a cause of its own of the status.
CASES = {
    f"{7000 + number}": case
    for number, case in enumerate(cases("trunk_ends"))
    if "sip" in case and not case.get("up") and not case.get("header")
}


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_each_end_of_the_field_on_a_real_asterisk(tmp_path: Path) -> None:
    refusals = {
        ending: Refusal(f"{case['sip']} As Ordered", reason=f"Q.850;cause={case['cause']}", rings="rang" in case)
        for ending, case in CASES.items()
    }
    wrong = []
    async with (
        far_end(tmp_path, ring=100, talk=100, refusals=refusals) as far,
        real_pbx(tmp_path / "pbx", far_port=far) as address,
        subject(address) as pbx,
    ):
        await pbx.linked()
        for ending, case in CASES.items():
            call_id = f"c_{ending}"
            await pbx.dial(call_id, f"+38099123{ending}")
            over: CallSeen = await pbx.until(
                lambda report, id=call_id: report in pbx.calls(id) and report.phase is CallPhase.DISCONNECTED  # type: ignore[misc]
            )
            if (over.reason, over.line) != (case["reason"], case.get("line", "none")):
                wrong.append((case, over))
    print(f"\n{len(CASES)} ends tried, {len(wrong)} taken for something else")
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.live
@pytest.mark.timeout(120)
async def test_a_provider_that_forks_and_whose_second_phone_answers(tmp_path: Path) -> None:
    async with (
        far_end(tmp_path, ring=300, talk=1500, forked=True) as far,
        real_pbx(tmp_path / "pbx", far_port=far) as address,
        subject(address) as pbx,
    ):
        await pbx.linked()
        await pbx.dial("c_forked", "+380991234567")
        await pbx.until(lambda report: isinstance(report, CdrSeen))
        seen = pbx.calls("c_forked")
        assert list(dict.fromkeys(one.phase for one in seen)) == [
            CallPhase.DIALING, CallPhase.ALERTING, CallPhase.ACTIVE, CallPhase.DISCONNECTED,
        ]  # fmt: skip
        (over,) = [one for one in seen if one.phase is CallPhase.DISCONNECTED]
        assert (over.reason, over.line) == ("hangup_remote", "none")
