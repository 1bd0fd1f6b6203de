"""Runs of scripts on a site in simulated time: the phone's own log says what has happened."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from actors.slot.phone import Health, HealthRead
from bus_schemas.call import END_CALL, START_CALL, EndCall, EndReason, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.script import RUN_SCRIPT, STOP_RUN, RunScript, RunState, StopRun
from bus_schemas.slot import GET_SLOT, GetSlot, SlotActivated
from simulators.phone.result import Result
from simulators.phone.screens import commands
from simulators.phone.screens.screens import Screens
from simulators.world.world import Life
from tests.run.site import LONG, SHORT, RunSite, play

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "scripts"
CALLS = ("app_call", "app_call_connected", "app_call_ended")


def test_a_call_in_an_app_is_a_call_on_record() -> None:
    async def story(site: RunSite) -> None:
        seen = await site.over(await site.begin("telegram_call", number=SHORT))
        assert (seen.state, seen.values) == (RunState.SUCCEEDED, {"call": "answered"})
        assert site.did("app_call") == [(SHORT, "")] or len(site.did("app_call")) == 1
        [(call_id, [over])] = site.calls().items()
        assert call_id == seen.call_id and over.app == "org.telegram.messenger" and over.number == SHORT
        assert over.reason is EndReason.HANGUP_REMOTE and over.answer_time is not None
        assert not site.world.phone(1).dials

    play(story)


def test_a_slot_runs_one_script_and_no_call_beside_it() -> None:
    async def story(site: RunSite) -> None:
        assert (await site.ask(GET_SLOT, GetSlot(slot=1), "before")).script_id is None
        first = await site.begin("telegram_call", number=LONG)
        assert (await site.ask(GET_SLOT, GetSlot(slot=1), "during")).script_id == first
        for id, wanted in (("two", "wifi_on"), ("three", "telegram_call")):
            with pytest.raises(Refusal) as refused:
                await site.begin(wanted, id, **({"number": SHORT} if wanted == "telegram_call" else {}))
            assert refused.value.code is ErrorCode.SLOT_BUSY
        with pytest.raises(Refusal) as refused:
            await site.ask(START_CALL, StartCall(number="+380501230001", slot=1), "four")
        assert refused.value.code is ErrorCode.SLOT_BUSY
        waits = await site.begin("wifi_on", "five", queue=True)
        assert (await site.view(waits)).state is RunState.QUEUED
        await site.ask(STOP_RUN, StopRun(script_id=first), "stop")
        assert (await site.over(waits)).state is RunState.SUCCEEDED
        assert (await site.over(first)).state is RunState.STOPPED
        assert await site.begin("wifi_on", "five", queue=True) == waits, "a repeat is no second run"

    play(story)


@pytest.mark.parametrize("after", [0.05, 0.6, 1.4, 2.0, 2.6, 4.0, 9.0])
def test_a_stop_ends_the_call_and_leaves_the_phone_at_home(after: float) -> None:
    async def story(site: RunSite) -> None:
        run = await site.begin("telegram_call", number=LONG)
        await asyncio.sleep(after)
        began = site.world.now
        await site.ask(STOP_RUN, StopRun(script_id=run), "stop")
        while (seen := await site.view(run)).ended is None:
            await asyncio.sleep(0.05)
        assert site.world.now - began < 2.0
        assert (seen.state, seen.by) == (RunState.STOPPED, "op")
        await asyncio.sleep(30.0)
        assert "launcher" in site.screens.active().package or "home" in site.screens.active().package
        assert len(site.did("app_call")) == len(site.did("app_call_ended")) <= 1
        assert all(len(ends) == 1 for ends in site.calls().values())
        assert len(site.calls()) >= len(site.did("app_call"))
        await site.over(await site.begin("wifi_on", "two"))

    play(story)


@pytest.mark.parametrize("after", [1.0, 8.0])
def test_a_stop_takes_the_phone_out_of_airplane_mode(after: float) -> None:
    async def story(site: RunSite) -> None:
        run = await site.begin("airplane_cycle", seconds="20")
        await asyncio.sleep(after)
        assert site.screens.on("airplane")
        await site.ask(STOP_RUN, StopRun(script_id=run), "stop")
        began = site.world.now
        assert (await site.over(run)).state is RunState.STOPPED and site.world.now - began <= 2.0
        assert not site.screens.on("airplane") and "launcher" in site.screens.active().package

    play(story)


def test_a_run_that_fails_leaves_no_phone_in_airplane_mode(tmp_path: Path) -> None:
    inner = SHIPPED.joinpath("airplane_cycle.toml").read_text().replace("deadline = 180", "deadline = 3")
    tmp_path.joinpath("short.toml").write_text(inner.replace('"airplane_cycle"', '"short"'))
    run = '[[steps]]\ndo = "run"\nscript = "short"\n'
    tmp_path.joinpath("outer.toml").write_text(f'name = "outer"\nversion = 1\nsummary = "x"\ndeadline = 3\n{run}')

    async def story(site: RunSite) -> None:
        for name in ("short", "outer"):
            seen = await site.over(await site.begin(name, name))
            assert seen.state is RunState.FAILED and not site.screens.on("airplane"), seen
            assert len([one for one in site.did("setting") if "airplane" in " ".join(one)]) in (2, 4)

    play(story, scripts=tmp_path)


def test_somebody_hangs_up_a_call_in_an_app_as_any_other() -> None:
    async def story(site: RunSite) -> None:
        run = await site.begin("telegram_call", number=LONG)
        while (call := (await site.view(run)).call_id) is None or not site.did("app_call_connected"):
            await asyncio.sleep(0.2)
        await asyncio.sleep(2.0)
        await site.ask(END_CALL, EndCall(call_id=call), "end")
        await site.over(run)
        [over] = site.calls()[call]
        assert (over.reason, over.ended_by) == (EndReason.HANGUP_LOCAL, "op") and len(site.did("app_call_ended")) == 1

    play(story)


@pytest.mark.parametrize(("number", "code"), [("112", ErrorCode.CALL_FAILED), ("+48501112233", None)])
def test_the_dial_rules_hold_for_calls_in_apps(number: str, code: ErrorCode | None) -> None:
    async def story(site: RunSite) -> None:
        try:
            seen = await site.over(await site.begin("telegram_call", number=number))
        except Refusal as refusal:
            assert code is not None and refusal.code in (code, ErrorCode.INVALID_PARAMS)
            return
        assert code is None and seen.state is RunState.FAILED and "refused (country)" in (seen.reason or ""), seen
        assert not site.did("app_call") and not site.calls()

    play(story)


def test_what_cannot_be_run_is_refused_in_words() -> None:
    async def story(site: RunSite) -> None:
        for script, params, code in (
            ("no_such", {}, ErrorCode.NOT_FOUND), ("telegram_call", {}, ErrorCode.INVALID_PARAMS),
            ("telegram_call", {"number": 5}, ErrorCode.INVALID_PARAMS), ("../wifi_on", {}, ErrorCode.INVALID_PARAMS),
            ("wifi_on", {"odd": 1}, ErrorCode.INVALID_PARAMS), ("send_ussd_balance", {}, ErrorCode.CONFLICT),
        ):  # fmt: skip
            with pytest.raises(Refusal) as refused:
                await site.begin(script, script, **params)
            assert refused.value.code is code, refused.value
        for number in ("112", "no number"):
            with pytest.raises(Refusal) as refused:
                await site.begin("telegram_call", "number", number=number)
            assert refused.value.details and refused.value.details["field"] == "params.number"
        with pytest.raises(Refusal) as refused:
            await site.begin("wifi_on", "far", slot=99)
        assert refused.value.code is ErrorCode.NOT_FOUND

    play(story)


def test_a_run_that_fails_keeps_the_screen_it_failed_at() -> None:
    async def story(site: RunSite) -> None:
        seen = await site.over(await site.begin("telegram_call", number="+380501110004"))
        assert seen.state is RunState.FAILED and "no account" in (seen.reason or "")
        assert seen.screenshot and seen.tree and not site.calls()

    play(story)


def _at(site: RunSite, begins: str, ends: str, happen: Callable[[], Awaitable[None]]) -> None:
    """Have something happen at the first step of this name, once a call is on record."""
    step, done = site.world._step, list[bool]()

    async def watched(life: Life, name: str) -> None:
        await step(life, name)
        if not done and site.calls() and name.startswith(begins) and name.endswith(ends):
            done.append(True)
            await happen()

    site.world._step = watched  # type: ignore[method-assign]  # the world has no ear of its own for each step


def test_a_screen_that_has_changed_meanwhile_is_not_tapped() -> None:
    async def story(site: RunSite) -> None:
        async def home() -> None:
            site.world.phone(1).run("input keyevent 3", 1000)
            await asyncio.sleep(1.0)

        _at(site, "after append ottb.v1.evt.call.", ".dialing", home)
        seen = await site.over(await site.begin("telegram_call", number=LONG))
        assert not site.did("app_call")
        [[over]] = site.calls().values()
        assert over.reason is EndReason.NOT_DIALED and "not on the screen" in over.cause, (over, seen)

    play(story)


def test_a_call_before_which_something_came_up_is_another_one() -> None:
    async def story(site: RunSite) -> None:
        async def comes_up() -> None:
            site.screens.ask(site.screens._surprise())

        _at(site, "after append ottb.v1.evt.call.", ".dialing", comes_up)
        seen = await site.over(await site.begin("telegram_call", number=SHORT))
        assert (seen.state, seen.values) == (RunState.SUCCEEDED, {"call": "answered"}), seen
        assert len(site.did("app_call")) == 1
        [[first], [second]] = site.calls().values()
        assert first.reason is EndReason.NOT_DIALED and "not on the screen" in first.cause
        assert second.call_id == seen.call_id and second.answer_time is not None

    play(story)


def test_a_call_that_was_ended_as_something_came_up_is_not_begun_anew() -> None:
    async def story(site: RunSite) -> None:
        async def comes_up() -> None:
            site.screens.ask(site.screens._surprise())

        async def end() -> None:
            [call] = site.calls()
            await site.ask(END_CALL, EndCall(call_id=call), "end")

        _at(site, "after append ottb.v1.evt.call.", ".dialing", comes_up)
        _at(site, "before last ottb.v1.evt.slot.1.", "activated", end)
        seen = await site.over(await site.begin("telegram_call", number=LONG))
        assert seen.state is RunState.FAILED and not site.did("app_call")
        [[over]] = site.calls().values()
        assert over.reason is EndReason.HANGUP_LOCAL

    play(story)


def test_a_call_that_was_ended_before_it_was_placed_is_not_tapped() -> None:
    async def story(site: RunSite) -> None:
        async def end() -> None:
            [call] = site.calls()
            await site.ask(END_CALL, EndCall(call_id=call), "end")

        _at(site, "before last ottb.v1.evt.slot.1.", "activated", end)
        await site.over(await site.begin("telegram_call", number=LONG))
        assert not site.did("app_call")
        [[over]] = site.calls().values()
        assert over.reason is EndReason.HANGUP_LOCAL

    play(story)


def test_a_run_whose_slot_has_another_owner_by_now_does_nothing() -> None:
    async def story(site: RunSite) -> None:
        step, done = site.world._step, list[bool]()

        async def watched(life: Life, name: str) -> None:
            await step(life, name)
            if not done and name.startswith("after append ottb.v1.evt.script.") and name.endswith(".started"):
                done.append(True)
                scope, bus = "ottb.v1.evt.slot.1.*", site.world.gateways[1]
                last = await bus.last(scope)
                assert last is not None
                event = SlotActivated(slot=1, at="2026-01-01T00:00:00.000Z", host="a", epoch=99)
                data, subject = msgspec.json.encode(event), "ottb.v1.evt.slot.1.activated"
                await bus.append(subject, data, {"Nats-Msg-Id": "x"}, scope=scope, expect=last.seq)

        site.world._step = watched  # type: ignore[method-assign]  # the world has no ear of its own for each step
        seen = await site.over(await site.begin("telegram_call", number=LONG))
        assert seen.state is RunState.FAILED and "nothing was done" in (seen.reason or "")
        assert not site.did("app_call", "tap")

    play(story)


def test_the_rights_of_a_run_are_those_of_what_it_does() -> None:
    async def story(site: RunSite) -> None:
        for rights, script, params in (
            ({"script.run"}, "telegram_call", {"number": SHORT}),
            ({"script.run", "call.start"}, "send_ussd_balance", {}),
            ({"script.run", "call.start", "slot.configure"}, "clear_app", {"app": "org.telegram.messenger"}),
            ({"script.run", "call.start", "slot.apps"}, "wifi_on", {}),
        ):
            context = Context(command_id=script, user="op", actions=frozenset(rights))
            with pytest.raises(Refusal) as refused:
                wanted = RunScript(slot_id=1, script=script, params=params)
                await ask(site.world.gateways[0], RUN_SCRIPT, wanted, context)
            assert refused.value.code is ErrorCode.PERMISSION_DENIED

    play(story)


def test_a_run_that_is_over_says_of_how_many_steps_it_was() -> None:
    async def story(site: RunSite) -> None:
        done = await site.over(await site.begin("read_imei"))
        failed = await site.over(await site.begin("telegram_call", "two", number="+380501110004"))
        run = await site.begin("telegram_call", "three", number=LONG)
        await asyncio.sleep(2.0)
        stands = await site.view(run)
        await site.ask(STOP_RUN, StopRun(script_id=run))
        stopped = await site.over(run)
        assert done.step is None and done.steps == 7, done
        assert (failed.step or 0) > 0 and stopped.step == stands.step, (failed, stopped)
        assert failed.steps == stands.steps == stopped.steps == 8
        assert [one.steps for one in site.ends()] == [7, 8, 8]

    play(story)


@pytest.mark.parametrize("queued", [False, True])
def test_a_script_needs_its_apps_on_the_phone(*, queued: bool) -> None:
    async def story(site: RunSite) -> None:
        installed = commands.COMMANDS["pm"]
        first = await site.begin("telegram_call", "first", number=LONG) if queued else None
        await asyncio.sleep(3.0)

        def without(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
            found = installed(screens, args, files)
            return Result(found.out.replace(b"package:org.telegram.messenger\n", b""))

        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(commands.COMMANDS, "pm", without)  # type: ignore[arg-type]
            if first is None:
                with pytest.raises(Refusal, match=r"lacks an app") as refused:
                    await site.begin("telegram_call", number=SHORT)
                details = {"rule": "apps", "apps": ["org.telegram.messenger"]}
                assert (refused.value.code, refused.value.details) == (ErrorCode.CONFLICT, details)
            else:
                second = await site.begin("telegram_call", number=SHORT, queue=True)
                await site.ask(STOP_RUN, StopRun(script_id=first))
                seen = await site.over(second)
                assert seen.state is RunState.FAILED and "lacks an app" in (seen.reason or ""), seen
        seen = await site.over(await site.begin("telegram_call", "after", number=SHORT))  # the slot is free
        assert seen.state is RunState.SUCCEEDED

    play(story)


@pytest.mark.parametrize(("has", "runs"), [("9", False), ("11", True), ("8.1.0", False), (None, True)])
def test_a_script_needs_an_android_that_knows_its_commands(has: str | None, runs: bool) -> None:
    async def story(site: RunSite) -> None:
        life = next(life for life in site.world.lives if life.machine.id == "a")
        assert life.host is not None
        life.host.tell(SlotActor, "1", HealthRead(health=Health(android=has)))
        await asyncio.sleep(1.0)
        if not runs:
            with pytest.raises(Refusal, match="newer Android") as refused:
                await site.begin("airplane_cycle")
            assert (refused.value.code, refused.value.details["needs"]) == (ErrorCode.CONFLICT, 11)
        await site.over(await site.begin("unlock_screen" if not runs else "airplane_cycle", "after"))

    play(story)
