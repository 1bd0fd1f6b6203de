"""The scripts that are shipped, on virtual phones in simulated time: each layout, language and size, with what comes in
between. What has happened says the phone's own log."""

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from actors.script.checking import check
from actors.script.effects import TapAt, TellCall
from actors.script.position import Failed, Succeeded
from bus_schemas.call import EndReason
from simulators.phone.result import Result
from simulators.phone.screens import commands
from simulators.phone.screens.dialler import imei_of
from simulators.phone.screens.people import PEOPLE
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.screens import Screens
from tests.script.on_phone import PROFILES, TROUBLES, Played, named, play, play_each
from tests.script.scripts import script
from tests.script.test_page import GREET
from tests.script.test_shipped import shipped
from tests.support.depth import plays, seeds

everywhere = pytest.mark.parametrize("profile", PROFILES, ids=named)
NUMBERS = (*(person.number for person in PEOPLE), "+380501110004", "+380977770001", "+380977772015", "+380977770008")
NOBODYS = "0004"
UNKNOWN = 0.02  # share of calls of which the run says that nobody knows: questions lay over all of a short one
PARTS = 5  # of the calls, so that several can be tried at once
MEANT = ("call", "menu", "allow", "later", "button1", "end", "hangup")  # parts of the names of what may be touched


def succeeded(played: Played) -> Mapping[str, str]:
    assert isinstance(played.outcome, Succeeded), played.outcome
    return played.outcome.values


# --- calls


def wrong(played: Played, number: str) -> str | None:
    """What a run of telegram_call says that the phone's log does not. None: nothing."""
    calls = [who for who, _ in played.did("app_call")]
    answered, over = bool(played.did("app_call_connected")), len(played.did("app_call_ended"))
    touched = [name for name in played.touched() if not any(part in name for part in MEANT)]
    if played.handset.dials or touched:
        return f"dialled {played.handset.dials}, touched {touched}"
    if len(calls) > 1 or calls != [number] * len(calls) or over != len(calls):
        return f"called {calls}, {over} of which ended"
    if isinstance(played.outcome, Succeeded):
        said = played.outcome.values["call"]
        right = bool(calls) and said in ("answered" if answered else "unanswered", "unknown")
        return None if right and played.told[-1] == "over" else f"said {said}, answered {answered}"
    if played.outcome.uncertain:
        return None
    return None if number.endswith(NOBODYS) and "no account" in played.outcome.reason else played.outcome.reason


def a_call(seed: int) -> tuple[Played, str]:
    """A call to one of the numbers. Some phones ask first whether the app may record."""
    chance = random.Random(seed)
    number, asks = chance.choice(NUMBERS), chance.random() < 0.2

    def prepare(screens: Screens) -> None:
        screens.messenger.microphone = not asks
        screens.turned = 1 if chance.random() < 0.2 else 0

    profile = PROFILES[seed % len(PROFILES)]
    return play("telegram_call", {"number": number}, profile, seed=seed, troubles=TROUBLES, prepare=prepare), number


@pytest.mark.parametrize("part", range(PARTS))
def test_calls_in_telegram_come_to_what_the_phone_says(part: int) -> None:
    count, kinds, found = plays(250 // PARTS), Counter[str](), {}
    for seed in range(part, PARTS * count, PARTS):
        played, number = a_call(seed)
        outcome = played.outcome
        kinds[outcome.values["call"] if isinstance(outcome, Succeeded) else outcome.reason] += 1
        if (why := wrong(played, number)) is not None:
            found[seed, number, named(played.screens.profile)] = why
    print(f"\ntelegram_call: {count} runs, {len(found)} wrong: {dict(kinds)}")
    assert found == {}
    unknown = sum(number for kind, number in kinds.items() if "nobody knows" in kind or kind == "unknown")
    assert unknown <= max(1, UNKNOWN * count)


@everywhere
def test_a_call_that_goes_on_is_ended(profile: Profile) -> None:
    played = play("telegram_call", {"number": "+380991111234"}, profile, seed=3, troubles=TROUBLES)
    assert succeeded(played) == {"call": "answered"} and played.told == ["answered", "over"]
    assert [data for _, data in played.did("app_call_ended")] == ["hangup_local"]
    assert wrong(played, "+380991111234") is None and 115 < played.seconds < 180


@everywhere
def test_a_number_without_an_account_leaves_the_next_calls_right(profile: Profile) -> None:
    numbers = [f"+380501{rest}" for rest in ("110004", "110006", "110004", "110004", "110001", "110006")]
    runs = play_each("telegram_call", [{"number": number} for number in numbers], profile, afterwards=1.0)
    assert [wrong(played, number) for played, number in zip(runs, numbers, strict=True)] == [None] * len(numbers)
    said = [getattr(played.outcome, "values", {}).get("call", "no account") for played in runs]
    assert said == ["no account", "answered", "no account", "no account", "unanswered", "answered"]


# --- keyboards

PHONE = """
deadline = 600
[params.number]
type = "phone"
summary = "To whom."
[needs]
apps = ["org.telegram.messenger"]
"""
WRITES = replace(script(
    """
[[steps]]
do = "open"
link = "tg://resolve?phone=${number}"
app = "org.telegram.messenger"
[[steps]]
do = "for_each"
into = "text"
of = ["good day", "hello again", "qwertyuiop", "bye"]
[[steps.steps]]
do = "type"
text = "${text}"
on = { class = "EditText" }
[[steps.steps]]
do = "assert"
message = "The field is gone."
when = { seen = { class = "EditText" } }
[[steps.steps]]
do = "tap"
on = { description = ["Send", "Надіслати"] }
[[steps.steps]]
do = "wait_for"
gone = { description = ["Send", "Надіслати"] }
""",
    PHONE,
), handlers=shipped("telegram_call").handlers)  # fmt: skip
WHO = "+380671110007"
TEXTS = ["good day", "hello again", "qwertyuiop", "bye"]


@everywhere
@pytest.mark.parametrize("turned", [0, 1])
def test_what_lies_under_a_keyboard_is_uncovered_first(profile: Profile, turned: int) -> None:
    def turn(screens: Screens) -> None:
        screens.turned = turned

    for seed in seeds(2):
        played = play(WRITES, {"number": WHO}, profile, seed=seed, troubles=TROUBLES, prepare=turn)
        assert succeeded(played) == {}
        assert played.did("message") == [(WHO, text) for text in TEXTS]
        assert [text for _, text in played.did("typed")] == TEXTS


# --- the others


def wifi_off(screens: Screens) -> None:
    screens.turn("wifi", False)


@everywhere
def test_wifi_is_turned_on(profile: Profile) -> None:
    played = play("wifi_on", {}, profile, troubles=TROUBLES, prepare=wifi_off)
    assert succeeded(played) == {"wifi": "1"}
    assert played.did("setting")[-1] == ("wifi", "on")


@everywhere
def test_wifi_is_turned_on_by_its_switch(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.COMMANDS, "svc", lambda *_: Result(err=b"Killed\n", code=1))
    played = play("wifi_on", {}, profile, seed=5, troubles=TROUBLES, prepare=wifi_off)
    assert succeeded(played) == {"wifi": "1"}
    assert played.did("setting")[-1] == ("wifi", "on") and any(isinstance(one, TapAt) for one in played.asked)


@everywhere
def test_airplane_mode_goes_on_and_off(profile: Profile) -> None:
    played = play("airplane_cycle", {}, profile, troubles=TROUBLES)
    assert succeeded(played) == {}
    assert [data for what, data in played.did("setting") if what == "airplane"] == ["on", "off"]
    assert played.seconds > 5 and played.handset.telephony.in_service


@everywhere
def test_the_data_of_an_app_are_gone(profile: Profile) -> None:
    played = play("clear_app", {"app": "org.telegram.messenger"}, profile, troubles=TROUBLES)
    assert succeeded(played) == {} and played.did("cleared") == [("org.telegram.messenger", "")]
    assert not played.screens.messenger.known
    nothing = play("clear_app", {"app": "org.nothing"}, profile)
    assert isinstance(nothing.outcome, Failed) and nothing.did("cleared") == []


@everywhere
def test_the_imei_is_read(profile: Profile) -> None:
    for seed in seeds(2):
        played = play("read_imei", {}, profile, seed=seed, troubles=TROUBLES)
        serial = played.screens.body.identity.serial
        assert succeeded(played)["imei"] == imei_of(serial, 1)
        assert played.handset.dials == []


@everywhere
def test_both_imeis_are_read(profile: Profile) -> None:
    def two(screens: Screens) -> None:
        screens.body.identity.sims = 2

    played = play("read_imei", {}, profile, prepare=two)
    serial = played.screens.body.identity.serial
    assert succeeded(played) == {"imei": imei_of(serial, 1), "imei2": imei_of(serial, 2)}


@everywhere
def test_the_balance_is_asked_for_once(profile: Profile) -> None:
    played = play("send_ussd_balance", {}, profile, ussd=frozenset({"*111#"}))
    assert "142" in succeeded(played)["balance"] and played.handset.dials == ["*111#"]
    refused = play("send_ussd_balance", {}, profile)
    assert isinstance(refused.outcome, Failed) and refused.handset.dials == []


@everywhere
@pytest.mark.parametrize("pin", ["", "4711"])
def test_the_screen_is_unlocked(profile: Profile, pin: str) -> None:
    def sleeps(screens: Screens) -> None:
        screens.use_pin(pin)
        screens.power(False)

    played = play("unlock_screen", {"pin": pin}, profile, troubles=TROUBLES, prepare=sleeps)
    assert succeeded(played) == {}
    assert played.screens.awake and not played.screens.locked and played.did("wrong_pin") == []
    if pin:
        wrong_one = play("unlock_screen", {"pin": "1111"}, profile, prepare=sleeps)
        assert isinstance(wrong_one.outcome, Failed) and len(wrong_one.did("wrong_pin")) == 1


@everywhere
def test_the_sim_for_calls_is_chosen(profile: Profile) -> None:
    def two(screens: Screens) -> None:
        screens.body.identity.sims, screens.body.telephony.asks_for_sim = 2, True

    played = play("choose_sim", {"account": "2"}, profile, troubles=TROUBLES, prepare=two)
    assert succeeded(played) == {}
    assert played.screens.body.outgoing_sim == "2" and not played.screens.body.telephony.asks_for_sim


SAY = {"+380501110001": EndReason.BUSY, "+380671110003": EndReason.REJECTED, "+380671110005": EndReason.NETWORK}


@everywhere
def test_why_a_call_in_telegram_is_over_is_told(profile: Profile) -> None:
    for number, reason in SAY.items():
        played = play("telegram_call", {"number": number}, profile)
        assert [one.reason for one in played.asked if isinstance(one, TellCall)] == [reason]


@everywhere
def test_the_script_of_the_page_does_on_a_phone_what_it_says(profile: Profile) -> None:
    greet = check(GREET, {}, "greet").script
    assert greet is not None
    played = play(greet, {"number": WHO}, profile)
    assert succeeded(played)["seen"].startswith(("last seen", "був"))
    assert played.did("message") == [(WHO, "Hello!")]
