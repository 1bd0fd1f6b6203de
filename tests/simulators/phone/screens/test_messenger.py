"""The messenger of the virtual phone, by shell commands alone; its own log says what was really done."""

import pytest

from simulators.phone.screens.profile import Profile
from tests.simulators.phone.screens.hand import MESSENGER, NAMES, PROFILES, Hand

OUTCOMES = {
    "+380501110001": ("busy", "busy"),
    "+380501110002": ("no_answer", "no answer"),
    "+380671110003": ("rejected", "declined"),
    "+380671110005": ("network", "failed"),
    "+380631110006": ("hangup_remote", "call ended"),
    "+380671113005": ("busy", "busy"),
}


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_a_call_is_placed_answered_and_ended(profile: Profile) -> None:
    hand = Hand(profile)
    hand.chat("+380671111234")
    hand.call_in_app()
    assert hand.shows(hand.word("requesting"))
    hand.wait(0.5)
    assert hand.shows(hand.word("ringing"))
    hand.wait(2)
    assert hand.out("uiautomator dump") == "ERROR: could not get idle state.\n"  # a timer counts
    assert "00:0" in hand.out("uiautomator dump --compressed /dev/tty")
    assert "MODE_IN_COMMUNICATION" in hand.out("dumpsys audio")
    hand.screens.troubles.ticking = 0.0
    hand.tap("voip_end", "btn_hangup")
    assert hand.shows(hand.word("call ended"))
    assert hand.outcomes() == [("+380671111234", "hangup_local")]
    assert [what for what, _ in hand.did("app_call", "app_call_ringing", "app_call_connected", "app_call_ended")] == [
        "app_call", "app_call_ringing", "app_call_connected", "app_call_ended",
    ]  # fmt: skip
    hand.wait(2)
    hand.find("chat_edit_text" if profile.layout == 1 else "message_input")  # back in the chat
    assert hand.dials == [] and not hand.telephony.history


@pytest.mark.parametrize("layout", [1, 2])
@pytest.mark.parametrize(("number", "ends"), OUTCOMES.items())
def test_how_a_call_ends_follows_from_the_contact(layout: int, number: str, ends: tuple[str, str]) -> None:
    hand, (outcome, said) = Hand(Profile(layout=layout)), ends
    hand.chat(number)
    hand.call_in_app()
    for _ in range(80):
        if hand.outcomes():
            break
        hand.wait(0.5)
    assert hand.shows(hand.word(said))
    assert hand.outcomes() == [(number, outcome)]


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_a_contact_is_found_by_a_search(profile: Profile) -> None:
    hand = Hand(profile)
    hand.run(f"monkey -p {MESSENGER} -c android.intent.category.LAUNCHER 1")
    hand.tap("menu_search", "action_search")
    if hand.second:
        hand.tap("search_field", "search_field")
    hand.run("input text 1111005")
    (wanted,) = [text for text in hand.texts() if text in ("Kateryna Bilyk", "Катерина Білик")]
    hand.tap(wanted, wanted)
    hand.call_in_app()
    assert hand.did("app_call") == [("app_call", "+380631111005")]


def test_names_are_searched_for_with_the_helper_in_any_letters() -> None:
    hand = Hand(Profile(language=PROFILES[2].language, helper=True))
    helper = "com.android.adbkeyboard/.AdbIME"
    assert helper in hand.out("ime list -s").splitlines()
    assert hand.out(f"ime enable {helper}") and hand.out(f"ime set {helper}").endswith("selected for user #0\n")
    hand.run(f"monkey -p {MESSENGER} 1")
    hand.tap("menu_search")
    assert "Broadcast completed" in hand.out("am broadcast -a ADB_INPUT_TEXT --es msg 'гер'")
    assert "Назар Гер'як" in hand.texts() and "Олена Коваль" not in hand.texts()
    hand.run("am broadcast -a ADB_CLEAR_TEXT")
    hand.run("am broadcast -a ADB_INPUT_B64 --es msg 0J7Qu9C10L3QsA==")
    assert "Олена Коваль" in hand.texts() and "Назар Гер'як" not in hand.texts()


def test_without_the_helper_a_broadcast_types_nothing() -> None:
    hand = Hand()
    hand.run(f"monkey -p {MESSENGER} 1")
    hand.tap("menu_search")
    said = hand.run("ime set com.android.adbkeyboard/.AdbIME")
    assert said.code != 0 and b"Unknown input method" in said.err
    assert "Broadcast completed" in hand.out("am broadcast -a ADB_INPUT_TEXT --es msg abc")
    assert hand.screens.messenger.texts.get("search", "") == ""


def test_a_contact_below_the_fold_is_scrolled_to() -> None:
    hand = Hand()
    hand.run(f"monkey -p {MESSENGER} 1")
    assert "Yuliia Moroz" not in hand.texts()
    hand.run("input swipe 500 1800 500 600 400")
    assert "Yuliia Moroz" in hand.texts() and "Andrii Shevchenko" not in hand.texts()
    hand.run("input swipe 500 600 500 1800 400")
    assert "Andrii Shevchenko" in hand.texts()


def test_after_its_data_are_gone_it_starts_anew_and_asks_to_record() -> None:
    hand = Hand()
    assert hand.out(f"pm clear {MESSENGER}") == "Success\n"
    hand.chat("+380671111234")
    hand.tap("start")
    hand.chat("+380671111234")
    hand.tap("call_button")
    assert hand.did("app_call") == []
    hand.tap("permission_deny_button")
    assert hand.did("app_call") == []
    hand.tap("call_button")
    hand.tap("permission_allow_foreground_only_button")
    assert hand.did("app_call") == [("app_call", "+380671111234")]
    assert hand.did("cleared") == [("cleared", MESSENGER)]


def test_nobody_is_found_behind_a_number_that_is_no_users() -> None:
    hand = Hand()
    hand.chat("+380671110004")
    assert hand.shows(hand.word("not a user"))
    hand.tap("button1")
    assert hand.screens.messenger.page == "main"


def test_no_call_in_the_app_during_a_phone_call() -> None:
    hand = Hand()
    hand.telephony.dial("+380671112299", hand.now, by_hand=True)
    hand.wait(1)
    hand.run("input keyevent HOME")
    hand.chat("+380671111234")
    hand.call_in_app()
    assert hand.shows(hand.word("in a call"))
    assert hand.did("app_call") == []


def test_a_call_without_a_network_fails() -> None:
    hand = Hand()
    hand.run("cmd connectivity airplane-mode enable")
    hand.chat("+380671111234")
    hand.call_in_app()
    hand.wait(5)
    assert hand.outcomes() == [("+380671111234", "network")]
    hand.wait(3)
    hand.run("svc wifi enable")  # Wi-Fi can be on in airplane mode
    assert hand.screens.on("wifi") and hand.out("dumpsys wifi") == "Wi-Fi is enabled\n"
    hand.call_in_app()
    hand.wait(3)
    assert hand.did("app_call_connected") == [("app_call_connected", "+380671111234")]


def test_a_call_ends_with_its_app() -> None:
    hand = Hand()
    hand.chat("+380671111234")
    hand.call_in_app()
    hand.run("input keyevent BACK")
    assert hand.did("app_call_ended") == []  # it goes on behind the home screen
    hand.run(f"am force-stop {MESSENGER}")
    assert hand.outcomes() == [("+380671111234", "killed")]


def test_messages_are_written_and_sent() -> None:
    hand = Hand()
    hand.chat("+380671111234")
    hand.tap("chat_edit_text")
    assert "mInputShown=true" in hand.out("dumpsys input_method")
    hand.run("input text 'one%stwo'")
    hand.tap("send_button")
    assert hand.shows("one two") and ("message", "+380671111234") in hand.did("message")


def test_a_button_below_the_keyboard_is_marked_and_not_reached() -> None:
    hand = Hand(Profile(layout=2))
    hand.chat("+380671111234")
    hand.tap("", "message_input")
    hand.run("input text hello")
    assert hand.find("btn_send").get("visible-to-user") == "false"
    hand.tap("", "btn_send")
    assert hand.did("tap")[-1] == ("tap", "com.android.inputmethod.latin")  # a key has felt it
    hand.run("input text more")
    hand.run("input keyevent BACK")
    assert hand.find("btn_send").get("visible-to-user") is None
