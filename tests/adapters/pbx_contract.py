"""What every PBX must do, virtual or real: the same cases run against both."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from actors.adapters.asterisk import GAP
from actors.telephony.reports import CallPhase, CdrSeen, OfLine
from actors.trunk.pbx import Contact, ContactSeen, PbxLink, PbxNoExtension, PbxRefused, PbxUncertain, PbxUnreachable
from bus_schemas.call import EndReason
from tests.support.pbx import Address, Subject, subject

R = EndReason
_count = itertools.count()


def new_id() -> str:
    return f"c_contract{next(_count)}"


class PbxContract:
    """A subclass gives `address`."""

    @pytest.fixture
    async def pbx(self, address: Address) -> AsyncIterator[Subject]:
        async with subject(address) as one:
            await one.linked()
            yield one

    @pytest.mark.parametrize(
        ("ending", "reason", "cause", "rings"),
        [
            ("0001", R.BUSY, "SIP 486, Q.850 17", False),
            ("0003", R.REJECTED, "SIP 403, Q.850 21", True),
            ("0004", R.INVALID_NUMBER, "SIP 404, Q.850 1 ", False),
            ("0005", R.NETWORK, "SIP 500, Q.850 38", False),
        ],
    )
    async def test_a_call_that_is_not_answered_says_why(
        self, pbx: Subject, ending: str, reason: EndReason, cause: str, rings: bool
    ) -> None:
        call_id = new_id()
        await pbx.dial(call_id, f"+38099123{ending}")
        over = await pbx.until(lambda report: _over(report, call_id))
        assert (over.reason, over.cause.startswith(cause)) == (reason, True), over
        assert any(seen.phase is CallPhase.ALERTING for seen in pbx.calls(call_id)) == rings
        assert not any(seen.phase is CallPhase.ACTIVE for seen in pbx.calls(call_id))

    async def test_nobody_answers_within_the_ring_time(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991230002", ring=-2.5)  # half a second with the adapter's slack
        over = await pbx.until(lambda report: _over(report, call_id))
        assert over.reason is R.NO_ANSWER

    async def test_an_answered_call_rings_connects_and_ends_by_the_far_side(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991230006", recording=f"{call_id}.wav")
        over = await pbx.until(lambda report: _over(report, call_id))
        phases = list(dict.fromkeys(seen.phase for seen in pbx.calls(call_id)))
        assert [phase for phase in phases if phase is not CallPhase.DIALING] == [
            CallPhase.ALERTING, CallPhase.ACTIVE, CallPhase.DISCONNECTED,
        ]  # fmt: skip
        assert over.reason is R.HANGUP_REMOTE
        cdr = await pbx.until(lambda report: isinstance(report, CdrSeen) and report.call_id == call_id)
        assert cdr.disposition == "ANSWERED"
        recording = pbx.address.recordings / f"{call_id}.wav"
        for _ in range(100):
            if recording.exists() and recording.stat().st_size > 44:
                break
            await asyncio.sleep(0.05)
        assert recording.read_bytes()[:4] == b"RIFF"

    async def test_a_ringing_and_a_connected_call_can_be_ended(self, pbx: Subject) -> None:
        for number, phase in (("+380991230002", CallPhase.ALERTING), ("+380991234567", CallPhase.ACTIVE)):
            call_id = new_id()
            await pbx.dial(call_id, number)
            await pbx.until(lambda report, id=call_id, phase=phase: report in pbx.calls(id) and report.phase is phase)  # type: ignore[misc]
            await pbx.asterisk.hang_up(call_id)
            over = await pbx.until(lambda report, id=call_id: _over(report, id))  # type: ignore[misc]
            assert over.reason in (R.HANGUP_LOCAL, R.HANGUP_REMOTE, R.NETWORK, R.UNKNOWN)  # the trunk knows why
            assert not (await pbx.asterisk.look(call_id)).live
        await pbx.asterisk.hang_up("c_nothing")  # no error: it may be over by itself

    async def test_a_missing_endpoint_shows_in_one_event_alone(self, address: Address) -> None:
        async with subject(address, endpoint="nowhere") as pbx:
            await pbx.linked()
            call_id = new_id()
            await pbx.dial(call_id, "+380991234567")
            over = await pbx.until(lambda report: _over(report, call_id))
            assert over.reason is R.NETWORK

    @pytest.mark.parametrize(
        ("slot", "cause"),
        [
            (81, "SIP 404, Q.850 3 "),
            (82, "SIP 486, Q.850 17 "),
            (83, "the slot's extension: NOANSWER"),
            (84, "SIP 500, Q.850 38 "),
        ],
    )
    async def test_a_slot_that_cannot_be_reached_is_not_the_callees_fault(
        self, pbx: Subject, slot: int, cause: str
    ) -> None:
        call_id = new_id()
        pbx.asterisk._up_since -= GAP  # just after a login nobody could say who ended it
        await pbx.dial(call_id, "+380991234567", slot=slot)
        over = await pbx.until(lambda report: _over(report, call_id), 40.0)  # SIP repeats for 32 s what gets lost
        assert (over.reason, over.line, cause in over.cause) == (R.EXTENSION_FAILED, OfLine.NONE, True), over

    async def test_whoever_takes_the_extension_ends_the_call_without_blame(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991230006", slot=85)
        over = await pbx.until(lambda report: _over(report, call_id))
        assert over.reason is R.HANGUP_REMOTE

    async def test_an_extension_that_is_not_there_is_no_refusal_of_the_trunk(self, address: Address) -> None:
        async with subject(address, context="nowhere") as pbx:
            await pbx.linked()
            with pytest.raises(PbxNoExtension):
                await pbx.dial(new_id(), "+380991234567")

    async def test_who_waits_is_taken_to_an_operator(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991234567", slot=None, recording=f"{call_id}.wav")
        await pbx.until(lambda report: report in pbx.calls(call_id) and report.phase is CallPhase.ACTIVE)
        await asyncio.sleep(0.3)
        assert await self._place(pbx, call_id) == ("ottb-waiting", "wait")
        await pbx.asterisk.redirect(call_id, "85")
        await asyncio.sleep(0.5)
        assert await self._place(pbx, call_id) == ("ottb-operators", "85")
        assert pbx.asterisk._endings[call_id].joined  # somebody has taken it there
        await asyncio.sleep(4.5)  # nobody waits any more
        assert (await pbx.asterisk.look(call_id)).live and not any(_over(seen, call_id) for seen in pbx.calls(call_id))
        await pbx.asterisk.hang_up(call_id)
        await pbx.until(lambda report: _over(report, call_id))

    async def _place(self, pbx: Subject, call_id: str) -> tuple[str, str]:
        [row] = [
            row for row in await pbx.asterisk.client.ask_list("CoreShowChannels") if row.get("Uniqueid") == call_id
        ]
        return row["Context"], row["Exten"]

    async def test_who_waits_for_nobody_is_hung_up_by_the_pbx(self, pbx: Subject) -> None:
        call_id = new_id()
        pbx.asterisk._up_since -= GAP
        await pbx.dial(call_id, "+380991234567", slot=None)
        over = await pbx.until(lambda report: _over(report, call_id), 12.0)
        assert (over.reason, over.line) == (R.EXTENSION_FAILED, OfLine.NONE), over
        assert "nobody was joined to it" in over.cause

    async def test_who_waits_and_hangs_up_has_ended_the_call(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991230006", slot=None)
        over = await pbx.until(lambda report: _over(report, call_id))
        assert over.reason in (R.HANGUP_REMOTE, R.EXTENSION_FAILED), over  # whoever was first

    @pytest.mark.parametrize(
        ("extension", "cause"),
        [
            ("81", "SIP 404, Q.850 3 "),
            ("82", "SIP 486, Q.850 17 "),
            ("83", "the slot's extension: NOANSWER"),
            ("nobody-has-it", "Q.850 1 "),
        ],
    )
    async def test_an_operator_who_cannot_be_reached_is_not_the_callees_fault(
        self, pbx: Subject, extension: str, cause: str
    ) -> None:
        call_id = new_id()
        pbx.asterisk._up_since -= GAP
        await pbx.dial(call_id, "+380991234567", slot=None)
        await pbx.until(lambda report: report in pbx.calls(call_id) and report.phase is CallPhase.ACTIVE)
        await asyncio.sleep(0.2)
        await pbx.asterisk.redirect(call_id, extension)
        over = await pbx.until(lambda report: _over(report, call_id))
        assert (over.reason, over.line, cause in over.cause) == (R.EXTENSION_FAILED, OfLine.NONE, True), over

    async def test_a_call_that_is_over_is_taken_nowhere(self, pbx: Subject) -> None:
        call_id = new_id()
        with pytest.raises(PbxRefused):
            await pbx.asterisk.redirect(call_id, "85")

    async def test_a_live_call_cannot_be_doubled(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991234567")
        await pbx.until(lambda report: report in pbx.calls(call_id) and report.phase is CallPhase.ACTIVE)
        await pbx.dial(call_id, "+380991234567")
        await asyncio.sleep(0.2)
        rows = await pbx.asterisk.client.ask_list("CoreShowChannels")
        assert [row["Uniqueid"] for row in rows].count(call_id) == 1
        await pbx.asterisk.hang_up(call_id)

    async def test_a_look_tells_what_is_up_and_since_when(self, pbx: Subject) -> None:
        call_id = new_id()
        assert not (await pbx.asterisk.look(call_id)).live
        await pbx.dial(call_id, "+380991234567")
        await pbx.until(lambda report: report in pbx.calls(call_id) and report.phase is CallPhase.ACTIVE)
        await asyncio.sleep(0.5)
        (live,) = (await pbx.asterisk.look(call_id)).live
        assert live is not None and live.phase is CallPhase.ACTIVE
        assert live.answered_age is not None and 0.3 < live.answered_age < 3.0
        await pbx.asterisk.hang_up(call_id)

    async def test_a_cut_is_told_and_the_calls_are_found_again(self, pbx: Subject) -> None:
        call_id = new_id()
        await pbx.dial(call_id, "+380991234567")
        await pbx.until(lambda report: report in pbx.calls(call_id) and report.phase is CallPhase.ACTIVE)
        pbx.heard.clear()
        pbx.wire.cut()
        await pbx.until(lambda report: isinstance(report, PbxLink) and not report.up)
        link = await pbx.linked()
        assert link.live[call_id].phase is CallPhase.ACTIVE and link.live[call_id].answered_age is not None
        await pbx.asterisk.hang_up(call_id)
        await pbx.until(lambda report: _over(report, call_id))

    async def test_a_cut_before_the_answer_dials_at_most_once(self, pbx: Subject) -> None:
        arrived = 0
        for _ in range(5):
            call_id = new_id()
            pbx.heard.clear()
            pbx.wire.cut_after = b"Action: Originate"
            with pytest.raises(PbxUncertain):
                await pbx.dial(call_id, "+380991234567")
            await pbx.linked()
            await asyncio.sleep(0.2)
            sent = bytes(pbx.wire.sent)
            assert sent.count(b"ChannelId: %s\r\n" % call_id.encode()) == 1, "an originate was sent again"
            rows = await pbx.asterisk.client.ask_list("CoreShowChannels")
            up = [row["Uniqueid"] for row in rows].count(call_id)
            assert up == len((await pbx.asterisk.look(call_id)).live)
            arrived += up
            await pbx.asterisk.hang_up(call_id)
        assert arrived, "none of them reached the PBX, so nothing was tried"

    async def test_without_a_connection_nothing_is_sent_then_or_later(self, pbx: Subject) -> None:
        pbx.heard.clear()
        pbx.wire.cut()
        await pbx.until(lambda report: isinstance(report, PbxLink) and not report.up)
        with pytest.raises(PbxUnreachable):
            await pbx.dial("c_never", "+380991234567")
        pbx.heard.clear()
        await pbx.linked()
        await asyncio.sleep(0.2)
        assert b"c_never" not in pbx.wire.sent

    async def test_it_says_its_version(self, pbx: Subject) -> None:
        assert (await pbx.asterisk.version()).split(".")[0].isdigit()

    async def test_the_providers_address_is_known(self, pbx: Subject) -> None:
        seen = await pbx.until(
            lambda report: isinstance(report, ContactSeen) and report.status is Contact.REACHABLE, 20.0
        )
        assert seen.rtt_ms is not None and seen.rtt_ms < 1000

    async def test_a_wrong_secret_is_told_and_not_tried_without_end(self, address: Address) -> None:
        async with subject(address, secret="wrong") as pbx:
            await pbx.until(lambda report: isinstance(report, PbxLink) and "secret" in report.detail)
            await asyncio.sleep(1.0)
            assert bytes(pbx.wire.sent).count(b"Action: Login") == 1


def _over(report: object, call_id: str) -> bool:
    return getattr(report, "ref", None) == call_id and getattr(report, "phase", None) is CallPhase.DISCONNECTED
