"""The dialler and the in-call screen are those of the phone's own telephony: no call but through it."""

import pytest

from simulators.phone.screens.profile import Profile
from simulators.phone.telephony import State
from tests.simulators.phone.screens.hand import NAMES, PROFILES, Hand

NUMBER = "+380671112299"
KEYS = {"0": "zero", "1": "one", "2": "two", "3": "three", "6": "six", "7": "seven", "8": "eight", "9": "nine"}


def dial(hand: Hand) -> None:
    hand.tap("dialButton", "dialpad_voice_call_button")


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_a_number_is_dialled_with_the_phones_own_keys(profile: Profile) -> None:
    hand = Hand(profile)
    hand.run(f"am start -n {hand.screens.dialler.activity}")
    if hand.second:
        hand.tap("", "fab")
    for digit in "0671112299":
        hand.tap(f"dialpad_{KEYS[digit]}", KEYS[digit])
    assert hand.find("digits").get("text") == "0671112299"
    dial(hand)
    assert hand.dials == ["0671112299"]
    assert [call.number for call in hand.telephony.live] == ["0671112299"]
    assert hand.shows("0671112299")
    hand.wait(2)
    assert hand.screens.ticking
    hand.screens.troubles.ticking = 0.0
    hand.tap("disconnect_button", "incall_end_call")
    assert hand.telephony.live == [] and hand.shows(hand.word("call ended"))
    hand.wait(2)
    assert hand.screens.dialler.activity in hand.out("dumpsys window")


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
@pytest.mark.parametrize("take", [True, False])
def test_a_call_that_comes_in_is_taken_or_declined(profile: Profile, take: bool) -> None:
    hand = Hand(profile)
    hand.telephony.ring(NUMBER, hand.now)
    hand.wait(1)
    assert hand.shows(hand.word("incoming"))
    if take:
        hand.tap("answer", "incoming_answer")
        assert hand.telephony.in_state(State.ACTIVE)
        hand.run("input keyevent ENDCALL")
    else:
        hand.tap("decline", "incoming_decline")
    assert hand.telephony.live == []
    hand.wait(3)
    assert "launcher" in hand.out("dumpsys window")


def test_the_numbers_of_a_dial_intent_are_filled_in_and_not_called() -> None:
    hand = Hand()
    for action in ("DIAL", "VIEW"):
        hand.run(f"am start -a android.intent.action.{action} -d tel:%2B380671112299")
        assert hand.find("digits").get("text") == NUMBER
    assert hand.dials == [] and not hand.telephony.history
    hand.run(f"am start -a android.intent.action.CALL -d tel:{NUMBER}")
    assert hand.dials == [NUMBER] and hand.telephony.live[0].number == NUMBER


def test_a_call_that_asks_for_a_sim_goes_out_when_one_is_chosen() -> None:
    hand = Hand(sims=2)
    hand.run("am start -a android.settings.MANAGE_ALL_SIM_PROFILES_SETTINGS")
    hand.tap("Ask every time")
    assert hand.telephony.asks_for_sim and ("setting", "ask") in hand.did("setting")
    hand.run(f"am start -a android.intent.action.DIAL -d tel:{NUMBER}")
    dial(hand)
    assert hand.telephony.in_state(State.SELECT_PHONE_ACCOUNT) and hand.shows(hand.word("which sim"))
    hand.wait(20)
    hand.tap("SIM 2")
    assert hand.telephony.in_state(State.DIALING)
    hand.wait(1.9)
    assert hand.telephony.in_state(State.ALERTING)  # its times count from here
    hand.run("input keyevent ENDCALL")
    hand.wait(3)
    hand.run("am start -a android.settings.MANAGE_ALL_SIM_PROFILES_SETTINGS")
    hand.tap("SIM 2")  # the first of this name is the card, which does nothing
    assert hand.telephony.asks_for_sim


def test_the_back_key_gives_up_a_call_that_asks() -> None:
    hand = Hand(sims=2)
    hand.telephony.asks_for_sim = True
    hand.run(f"am start -a android.intent.action.CALL -d tel:{NUMBER}")
    hand.run("input keyevent 4")
    assert hand.telephony.live == []


def test_a_code_asks_the_network_and_is_no_call() -> None:
    hand = Hand()
    hand.run("am start -a android.intent.action.CALL -d tel:*111%23")
    assert hand.shows(hand.word("ussd running"))
    hand.wait(2)
    assert hand.shows(hand.word("balance"))
    hand.tap("button1")
    assert not hand.telephony.history and ("ussd", hand.screens.dialler.package) in hand.did("ussd")


def test_the_code_for_the_imei_is_answered_by_the_phone_itself() -> None:
    hand = Hand()
    hand.run("am start -a android.intent.action.DIAL -d tel:")
    hand.tap("digits")
    hand.run("input text '*#06#'")
    (imei,) = [text for text in hand.texts() if text.isdecimal()]
    hand.tap("button1")
    hand.run("am start -a android.settings.DEVICE_INFO_SETTINGS")
    assert imei in hand.texts() and len(imei) == 15
    said = hand.out("service call iphonesubinfo 1 s16 com.android.shell")
    letters = "".join(line.split("'")[1] for line in said.splitlines() if "'" in line)
    assert "".join(letter for letter in letters[8:] if letter != ".").startswith(imei)
    assert "does not belong" in "".join(
        line.split("'")[1] for line in hand.out("service call iphonesubinfo 1").splitlines() if "'" in line
    ).replace(".", "")
    assert hand.dials == []


def test_airplane_mode_breaks_calls_off_and_lets_none_out() -> None:
    hand = Hand()
    hand.run(f"am start -a android.intent.action.CALL -d tel:{NUMBER}")
    hand.wait(3)
    hand.run("cmd connectivity airplane-mode enable")
    assert hand.telephony.live == [] and not hand.telephony.in_service
    assert hand.out("cmd connectivity airplane-mode") == "enabled\n"
    assert hand.out("settings get global airplane_mode_on") == "1\n"
    hand.run("cmd connectivity airplane-mode disable")
    assert hand.telephony.in_service
    assert hand.did("setting") == [("setting", "on"), ("setting", "off")]


def test_a_call_brings_its_screen_to_the_front_over_a_lock() -> None:
    hand = Hand(Profile(pin="1234"))
    hand.run("input keyevent POWER")
    hand.telephony.ring(NUMBER, hand.now)
    hand.wait(1)
    hand.tap("answer")
    assert hand.telephony.in_state(State.ACTIVE)
    hand.run("input keyevent ENDCALL")
    hand.wait(3)
    assert hand.screens.locked and hand.shows(hand.word("swipe up"))


def test_letters_are_no_part_of_a_number() -> None:
    hand = Hand()
    hand.run("am start -a android.intent.action.DIAL -d tel:")
    hand.tap("digits")
    hand.run("input text 06a7%sb1")
    assert hand.find("digits").get("text") == "0671"
