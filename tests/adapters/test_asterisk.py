"""What the PBX adapter makes of answers that are lost, refused or out of date while it looks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from actors.adapters.ami import AmiClient, AmiDown, AmiError, AmiRefused, AmiUncertain, Fields, Unsendable
from actors.adapters.asterisk import Asterisk
from actors.telephony.reports import CallPhase, CallSeen, Look
from actors.trunk.pbx import Originate, PbxError, PbxLink, PbxRefused, PbxReport, PbxUncertain, PbxUnreachable
from actors.trunk.settings import Ami
from bus_schemas.call import EndReason
from bus_schemas.trunk import TrunkConfig
from tests.support.pbx import Subject, subject, virtual_pbx

CALL = "c_looked_at"
CHANNEL = "PJSIP/trunk-1-00000001"
ROW = {"Uniqueid": CALL, "ChannelState": "6", "Channel": CHANNEL, "Seconds": "7", "Duration": "00:00:07"}
TRUNK = TrunkConfig(name="trunk-1", endpoint="trunk-1")
ORDER = Originate(call_id=CALL, number="+380991234567", slot=12, ring_timeout=30, max_duration=60)
ERRORS: list[tuple[AmiError, type[PbxError]]] = [
    (AmiDown("no connection"), PbxUnreachable),
    (AmiUncertain("no answer"), PbxUncertain),
    (AmiRefused("Permission denied"), PbxRefused),
    (Unsendable("a control character"), PbxRefused),
]


class Scripted(AmiClient):
    """A connection that answers as told: an answer or an error by action."""

    def __init__(self) -> None:
        super().__init__(
            host="", port=0, user="", secret="", prefix="test",
            on_event=lambda event: None, on_up=lambda: None, on_down=lambda why: None,
        )  # fmt: skip
        self._up = True
        self.answers: dict[str, AmiError | list[dict[str, str]]] = {}
        self.before: Callable[[str], None] = lambda action: None

    async def act(self, action: str, fields: Fields = (), *, timeout: float = 1.0) -> dict[str, str]:
        return (await self.ask_list(action))[0]

    async def ask_list(self, action: str, fields: Fields = (), *, timeout: float = 1.0) -> list[dict[str, str]]:
        self.before(action)
        answer = self.answers.get(action, [{"Timestamp": "100.0", "Value": "95.0"}])
        if isinstance(answer, AmiError):
            raise answer
        return answer


class World:
    """An adapter on a scripted connection."""

    def __init__(self) -> None:
        self.client = Scripted()
        self.asterisk = Asterisk("main", Ami(secret="x"), prefix="test")
        self.asterisk.client = self.client
        self.heard: list[PbxReport] = []
        self.asterisk.attach(TRUNK, self.heard.append)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.asterisk.stop()


@pytest.mark.parametrize(("error", "raised"), ERRORS)
@pytest.mark.parametrize("action", ["Status", "Getvar", "Ping"])
async def test_whatever_fails_in_a_look_is_an_error_of_the_pbx(
    world: World, action: str, error: AmiError, raised: type[PbxError]
) -> None:
    world.client.answers = {"Status": [ROW], action: error}
    if isinstance(error, AmiRefused) and action != "Status":  # the call may just have ended
        (live,) = (await world.asterisk.look(CALL)).live
        assert live.answered_age is None
        return
    with pytest.raises(raised):
        await world.asterisk.look(CALL)


@pytest.mark.parametrize(("error", "raised"), ERRORS)
async def test_orders_fail_with_errors_of_the_pbx(world: World, error: AmiError, raised: type[PbxError]) -> None:
    world.client.answers = {"Originate": error, "Hangup": error}
    with pytest.raises(raised):
        await world.asterisk.originate(TRUNK, ORDER)
    with pytest.raises(raised):
        await world.asterisk.hang_up(CALL)


async def test_only_a_missing_channel_is_no_call(world: World) -> None:
    world.client.answers = {"Status": AmiRefused("No such channel"), "Hangup": AmiRefused("No such channel")}
    assert await world.asterisk.look(CALL) == Look(live=(), past=())
    await world.asterisk.hang_up(CALL)


async def test_a_look_names_the_call_that_was_asked_for_and_no_other(world: World) -> None:
    world.client.answers["Status"] = [ROW | {"Uniqueid": "c_other"}, ROW | {"Uniqueid": "1764110000.5"}]
    assert await world.asterisk.look(CALL) == Look(live=(), past=())
    world.client.answers["Status"] = [ROW | {"Uniqueid": "c_other"}, ROW]
    (live,) = (await world.asterisk.look(CALL)).live
    assert (live.ref, live.phase, live.created_age, live.answered_age) == (CALL, CallPhase.ACTIVE, 7.0, 5.0)


@pytest.mark.parametrize("seconds", ["", "many", "1:2"])
async def test_a_figure_that_is_none_does_not_end_a_look(world: World, seconds: str) -> None:
    world.client.answers["Status"] = [ROW | {"Seconds": seconds}]
    assert len((await world.asterisk.look(CALL)).live) == 1


async def test_a_call_that_ends_while_it_is_looked_at_is_not_up(world: World) -> None:
    def end(action: str) -> None:
        if action == "Ping":
            world.asterisk._hear({"Event": "Hangup", "Uniqueid": CALL, "Cause": "16", "Channel": CHANNEL})

    world.client.before = end
    world.client.answers = {"Status": [ROW], "CoreShowChannels": [ROW]}
    assert await world.asterisk.look(CALL) == Look(live=(), past=())
    world.asterisk._endings.clear()
    await world.asterisk._take_stock()
    link = next(report for report in world.heard if isinstance(report, PbxLink) and report.up)
    assert link.live == {}


@pytest.mark.parametrize(("bridge", "reason"), [("b", EndReason.HANGUP_LOCAL), ("", EndReason.EXTENSION_FAILED)])
async def test_a_call_found_joined_after_a_gap_has_had_its_extension(
    world: World, bridge: str, reason: EndReason
) -> None:
    world.client.answers = {"CoreShowChannels": [ROW | {"BridgeId": bridge}]}
    await world.asterisk._take_stock()
    world.asterisk._hear({"Event": "Hangup", "Uniqueid": CALL, "Cause": "17", "Channel": CHANNEL})
    assert [seen.reason for seen in world.heard if isinstance(seen, CallSeen)] == [reason]


@pytest.mark.parametrize("error", [one for one, _ in ERRORS] + [ValueError("no number")])
@pytest.mark.parametrize("action", ["CoreShowChannels", "Getvar"])
async def test_taking_stock_ends_no_task_and_is_done_again(
    world: World, action: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.asterisk.CHECK_PAUSE", 0.02)

    def fail(asked: str) -> None:
        if asked == action:
            raise error

    world.client.before = fail
    world.client.answers = {"CoreShowChannels": [ROW]}
    world.asterisk._spawn(world.asterisk._check_now_and_then())
    await asyncio.sleep(0.1)
    world.client.before = lambda asked: None
    async with asyncio.timeout(2):
        while not any(isinstance(report, PbxLink) and report.up for report in world.heard):
            await asyncio.sleep(0.01)


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Subject]:
    async with virtual_pbx(tmp_path) as address, subject(address) as one:
        await one.linked()
        yield one


@pytest.mark.parametrize("action", [b"Action: Status", b"Action: Getvar", b"Action: Ping"])
async def test_a_connection_cut_in_a_look_is_an_error_of_the_pbx(pbx: Subject, action: bytes) -> None:
    await pbx.dial(CALL, "+380991234567")
    await pbx.until(lambda report: report in pbx.calls(CALL) and report.phase is CallPhase.ACTIVE)
    await asyncio.sleep(0.3)  # the checks of the login are over
    pbx.wire.cut_after = action
    with pytest.raises(PbxError):
        await pbx.asterisk.look(CALL)
