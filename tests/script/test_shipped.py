"""The scripts that are shipped: each passes the check, and does its work on screens in the shape of real ones."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.script import guard
from actors.script.checking import check
from actors.script.effects import (
    AnyEffect,
    Done,
    NotDone,
    OpenLink,
    PlaceCall,
    PressKey,
    RunCommand,
    SendUssd,
    SwipeOver,
    TapAt,
    TellCall,
)
from actors.script.language import Script
from actors.script.permissions import taken
from actors.script.position import Failed, Succeeded
from actors.script.tree import Tree
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from bus_schemas.script import TAKEN
from tests.script.runs import Run
from tests.script.screens import drawn, screen

FOLDER = Path(__file__).resolve().parents[2] / "config" / "scripts"
FILES = sorted(FOLDER.glob("*.toml"))
WANTED = {"telegram_call", "wifi_on", "airplane_cycle", "clear_app", "read_imei", "send_ussd_balance", "unlock_screen",
          "choose_sim"}  # fmt: skip
LIBRARY: dict[str, Script] = {}


def shipped(name: str) -> Script:
    checked = check((FOLDER / f"{name}.toml").read_text(), LIBRARY, name)
    assert checked.script is not None, [problem.text(name) for problem in checked.problems]
    return checked.script


def test_all_of_them_are_there() -> None:
    assert {path.stem for path in FILES} >= WANTED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_passes_the_check(path: Path) -> None:
    assert shipped(path.stem).needs.android is not None


NUMBER = {"number": "+380991234567"}
RINGS = screen("call_telegram_10_ru")
TALKS = drawn(("00:17", (0, 0, 500, 100)), ("Завершить", (0, 200, 500, 300)))


def test_a_call_in_telegram_is_placed_once_and_followed() -> None:
    chat, looks = screen("chat_telegram_12_en"), []

    def phone(done: list[AnyEffect]) -> Tree:
        if not any(isinstance(one, PlaceCall) for one in done) or TellCall(state="answered") in done:
            return chat
        looks.append(len(done))
        return chat if len(looks) < 2 else RINGS if len(looks) < 4 else TALKS

    run = Run(shipped("telegram_call"), NUMBER)
    assert run.play(phone).outcome == Succeeded(values={"call": "answered"})
    ended, link, call, *told = run.effects
    assert ended == RunCommand(words=("am", "force-stop", "org.telegram.messenger"))
    assert link == OpenLink(link="tg://resolve?phone=%2B380991234567", app="org.telegram.messenger")
    assert isinstance(call, PlaceCall) and call.number == "+380991234567"
    assert told == [TellCall(state="answered"), TellCall(state="over")]


def test_a_number_without_telegram_is_a_failure_and_no_call() -> None:
    run = Run(shipped("telegram_call"), NUMBER)
    outcome = run.play(lambda _: drawn(("Sorry, this user doesn't seem to exist.", (0, 0, 900, 100)))).outcome
    assert isinstance(outcome, Failed) and "no account" in outcome.reason
    assert not any(isinstance(one, PlaceCall) for one in run.effects)


def commands(run: Run) -> list[str]:
    return [" ".join(one.words) for one in run.effects if isinstance(one, RunCommand)]


def test_wifi_is_turned_on_by_its_command() -> None:
    run = Run(shipped("wifi_on"))
    outcome = run.play(lambda _: None, {RunCommand: Done(output="1\n")}).outcome
    assert outcome == Succeeded(values={"wifi": "1"}) and commands(run)[0] == "svc wifi enable"


def test_wifi_is_turned_on_by_its_switch_where_the_command_is_refused() -> None:
    run = Run(shipped("wifi_on"))

    def phone(done: list[AnyEffect]) -> Tree:
        return screen("wifi_14_uk" if TapAt(x=960, y=320) in done else "wifi_samsung_11_ru")

    assert run.position.asked == RunCommand(words=("svc", "wifi", "enable"))
    run.give(NotDone("Permission denied"))
    assert run.play(phone).outcome == Succeeded(values={"wifi": "1"})
    assert commands(run) == ["am start -a android.settings.WIFI_SETTINGS"]


def test_airplane_mode_is_off_in_the_end() -> None:
    run = Run(shipped("airplane_cycle"), {"seconds": "5"})
    outcome = run.play(lambda _: None, {RunCommand: Done(output="0\n")}).outcome
    assert outcome == Succeeded(values={})
    assert commands(run)[:2] == ["cmd connectivity airplane-mode enable", "cmd connectivity airplane-mode disable"]


def test_airplane_mode_that_does_not_come_on_is_a_failure_and_off() -> None:
    run = Run(shipped("airplane_cycle"), {"seconds": "5"})
    run.give(NotDone("Unknown command"))
    outcome = run.play(lambda _: None, {RunCommand: Done(output="0\n")}).outcome
    assert isinstance(outcome, Failed) and "did not come on" in outcome.reason
    assert commands(run)[0] == "cmd connectivity airplane-mode disable"


def test_data_of_an_app_are_deleted() -> None:
    run = Run(shipped("clear_app"), {"app": "org.telegram.messenger"})
    assert run.play(lambda _: None, {RunCommand: Done(output="Success\n")}).outcome == Succeeded(values={})
    failed = Run(shipped("clear_app"), {"app": "a.b"})
    assert isinstance(failed.play(lambda _: None, {RunCommand: Done(output="Failed\n")}).outcome, Failed)


def test_the_imei_is_read_without_dialling() -> None:
    run = Run(shipped("read_imei"))
    outcome = run.play(lambda _: screen("about_12_en")).outcome
    assert outcome == Succeeded(values={"imei": "356938035643809", "imei2": "356938035643817"})


def test_the_balance_is_asked_for_with_an_allowed_code() -> None:
    run = Run(shipped("send_ussd_balance"), {"code": "*111#"}, ussd=frozenset({"*111#"}))
    outcome = run.play(lambda _: screen("ussd_9_ru")).outcome
    assert outcome == Succeeded(values={"answer": "На счету 154.20 грн. Тариф действует до 12.12", "balance": "154.20"})
    assert run.effects[0] == SendUssd(code="*111#")
    assert isinstance(Run(shipped("send_ussd_balance"), {"code": "*111#"}).position.outcome, Failed)


def test_a_screen_without_a_pin_is_unlocked() -> None:
    run = Run(shipped("unlock_screen"), {"pin": ""})
    outcome = run.play(lambda done: screen("lock_10_uk" if len(done) < 2 else "launcher_samsung_11_uk")).outcome
    assert outcome == Succeeded(values={}) and run.effects[0] == PressKey(code=224)


BATTERY = "15% remaining. Battery Saver may be turned on."
LOW = drawn(("Battery low", (0, 0, 900, 100)), (BATTERY, (0, 100, 900, 200)), ("Got it", (0, 200, 900, 300)))
LOW = Tree(nodes=tuple(replace(node, id="android:id/message") if node.text == BATTERY else node for node in LOW.nodes))


def test_a_question_over_the_lock_does_not_pass_for_an_open_screen() -> None:
    run = Run(shipped("unlock_screen"), {"pin": ""})

    def phone(done: list[AnyEffect]) -> Tree:
        if not any(isinstance(one, TapAt) for one in done):
            return LOW
        open_by_now = any(isinstance(one, SwipeOver) for one in done)
        return screen("launcher_samsung_11_uk" if open_by_now else "lock_10_uk")

    assert run.play(phone).outcome == Succeeded(values={})
    assert [type(one) for one in run.effects] == [PressKey, TapAt, SwipeOver]


def test_a_question_is_no_answer_of_the_operator() -> None:
    run = Run(shipped("send_ussd_balance"), {"code": "*111#"}, ussd=frozenset({"*111#"}))

    def phone(done: list[AnyEffect]) -> Tree:
        return screen("ussd_9_ru") if any(isinstance(one, TapAt) for one in done) else LOW

    outcome = run.play(phone).outcome
    assert isinstance(outcome, Succeeded) and outcome.values["balance"] == "154.20"


def test_a_sim_is_chosen() -> None:
    run = Run(shipped("choose_sim"), {"account": "89380012345678901234"})
    assert run.play(lambda _: None).outcome == Succeeded(values={})
    assert commands(run)[0].endswith("TelephonyConnectionService 89380012345678901234 0")


TAKES = {
    "telegram_call": {"call.start"}, "send_ussd_balance": {"script.ussd"}, "clear_app": {"slot.apps"},
    "wifi_on": {"slot.configure"}, "airplane_cycle": {"slot.configure"}, "choose_sim": {"slot.configure"},
    "read_imei": set(), "unlock_screen": set(),
}  # fmt: skip
RUN_BY = {
    "operator": {"telegram_call", "read_imei", "unlock_screen"},
    "supervisor": {"telegram_call", "read_imei", "unlock_screen"},
    "devops": WANTED - {"send_ussd_balance"}, "auditor": set(), "admin": WANTED,
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_each_takes_of_whoever_runs_it(path: Path) -> None:
    assert taken([shipped(path.stem)]) == TAKES[path.stem] <= TAKEN


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
def test_who_may_run_which_of_them(role: str) -> None:
    held = resolve(BUILT_IN_ROLES[role])
    may = {name for name in WANTED if taken([shipped(name)]) <= held} if Action.SCRIPT_RUN in held else set()
    assert may == RUN_BY[role]


@pytest.mark.parametrize("command", guard.COMMANDS, ids=lambda command: command[0])
def test_each_command_that_changes_a_phone_takes_something(command: guard.Pattern) -> None:
    looks = {"path", "list", "get", "getprop", "dumpsys", "wm", "am", "status", "statusbar"}
    words = [str(one) for one in command]
    if words == ["cmd", "connectivity", "airplane-mode"] or looks & set(words[:3]):
        return
    assert guard.permission_of(words) is not None
