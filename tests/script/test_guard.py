"""No step dials, however it is put."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.script import guard
from actors.script.selectors import Selector
from actors.script.tree import Node
from tests.script.screens import screen
from tests.support.depth import examples


@pytest.mark.parametrize(
    "link",
    [
        "tel:112", "TEL:112", "tel://112", " tel:112", "\ttel:112", "te\nl:112", "voicemail:", "sip:a@b", "callto:1",
        "skype:a?call", "intent:#Intent;action=android.intent.action.CALL;end", "intent://x#Intent;scheme=tel;end",
        "android-app://com.android.phone", "content://com.android.contacts/data/7", "file:///x", "javascript:x",
        "112", "", "//x", "tg://call?phone=1", "https://call.whatsapp.com/voice/x", "https://x/#Intent;scheme=tel;end",
        "viber://calls", "https://a.b/start-call/1", "tg://%63all?x", "tg://resolve?domain=x&call", "x", "tg",
        "whatsapp://videocall?x=1", "https://a.b/dial?x", "sms-call:1", "tel%3A112",
    ],
)  # fmt: skip
def test_links_that_dial_are_refused(link: str) -> None:
    assert guard.of_link(link) is not None


@pytest.mark.parametrize(
    "link",
    ["tg://resolve?phone=%2B380991234567", "https://t.me/name", "market://details?id=a.b", "geo:50.4,30.5",
     "whatsapp://send?phone=1&text=call%20me", "https://callas.example/x", "https://a.b/recall"],
)  # fmt: skip
def test_links_that_do_not_are_opened(link: str) -> None:
    assert guard.of_link(link) is None


@pytest.mark.parametrize("key", ["call", "CALL", "KEYCODE_CALL", "5", "79", "headsethook", "KEYCODE_HEADSETHOOK"])
def test_keys_that_call_are_refused(key: str) -> None:
    assert "calls" in str(guard.of_key(key))


def test_only_known_keys_are_pressed() -> None:
    assert guard.of_key("home") is None and guard.of_key("power") is not None and guard.of_key("") is not None


@pytest.mark.parametrize(
    "command",
    [
        "am start -a android.intent.action.CALL -d tel:112", "am start -a android.intent.action.DIAL",
        "am start -a android.intent.action.CALL_PRIVILEGED -d tel:112", "am start -d tel:112",
        "am start -a android.intent.action.VIEW -d tel:112", "am start tel:112", "am start-activity -a x",
        "cmd activity start -a android.intent.action.CALL", "input keyevent 5", "input keyevent CALL",
        "service call phone 1 s16 x s16 112", "service call isub 1", "sh -c x", "su -c x", "am broadcast -a x",
        "content call --uri x", "monkey -p com.android.dialer 1", "app_process / x", "cmd phone dial", "telecom x",
        "settings put global adb_enabled 0", "settings put secure enabled_accessibility_services x", "pm install x",
        "svc power reboot", "reboot", "am start -a android.settings.X -d tel:1", "svc wifi enable; reboot", "",
        "cmd telecom set-phone-account-enabled x", "am instrument x", "pm clear", "dumpsys activity service x",
        "am start -a android.settings.SETTINGS\n", "getprop -T", "pm clear --user", "pm clear a;b", "pm clear $(id)",
    ],
)  # fmt: skip
def test_commands_that_dial_or_are_not_known_are_refused(command: str) -> None:
    assert guard.of_command(command.split(" ") if command else []) is not None


@pytest.mark.parametrize(
    "command",
    ["svc wifi enable", "pm clear org.telegram.messenger", "am start -a android.settings.WIFI_SETTINGS",
     "settings get global airplane_mode_on", "cmd connectivity airplane-mode enable", "getprop ro.product.model",
     "telecom set-user-selected-outgoing-phone-account com.android.phone/com.android.services.telephony.X 89380 0"],
)  # fmt: skip
def test_commands_that_are_known_are_run(command: str) -> None:
    assert guard.of_command(command.split(" ")) is None


@settings(max_examples=examples(500), deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["am", "start", "-a", "-d", "tel:112", "android.intent.action.CALL", "cmd", "activity", "input",
                         "keyevent", "5", "service", "call", "phone", "svc", "wifi", "enable", "pm", "clear", "a.b",
                         "sh"])
        | st.text(max_size=5),
        max_size=8,
    )
)  # fmt: skip
def test_no_command_of_such_words_dials(words: list[str]) -> None:
    if guard.of_command(words) is None:
        assert words[0] not in ("input", "service", "sh")
        assert words[0] != "am" or words[1] == "force-stop" or words[3].startswith("android.settings.")
        assert words[:2] != ["cmd", "activity"]


@pytest.mark.parametrize("name", ["dialler_pixel_12_en", "dialler_samsung_13_uk", "in_call_11_ru"])
def test_nothing_is_touched_in_diallers(name: str) -> None:
    assert all(guard.of_node(node) is not None for node in screen(name).nodes)


def refused(name: str) -> set[str]:
    return {
        node.text or node.description for node in screen(name).nodes
        if node.clickable and guard.of_node(node) is not None
    }  # fmt: skip


def test_buttons_that_call_are_not_touched_by_other_steps() -> None:
    assert refused("chat_telegram_12_en") == {"Call"}
    assert refused("profile_telegram_13_uk") == {"Дзвінок"}
    assert refused("contacts_telegram_11_ru") == {"Позвонить"}
    assert refused("lock_10_uk") == {"Екстрений виклик"}
    assert refused("ussd_9_ru") == refused("settings_14_uk") == refused("permission_11_en") == set()


def test_the_phone_app_has_its_dialog_alone() -> None:
    assert guard.of_node(Node(at=0, parent=-1, end=1, package="com.android.phone", id="android:id/button1")) is None
    assert guard.of_node(Node(at=0, parent=-1, end=1, package="com.android.phone", id="x:id/one", text="1")) is not None


def test_what_shows_in_a_selector_is_refused_before() -> None:
    for selector in (
        Selector(text="CALL"), Selector(description=["x", "Дзвінок"]), Selector(id="dialpad_floating_action_button"),
        Selector(package="com.android.dialer", text="x"), Selector(any_of=[Selector(text="Позвонить")]),
    ):  # fmt: skip
        assert guard.of_selector(selector) is not None
    assert guard.of_selector(Selector(text="Call history")) is None


def test_diallers_are_not_started() -> None:
    assert guard.of_app("com.google.android.dialer") is not None and guard.of_app("a b") is not None
    assert guard.of_app("org.telegram.messenger") is None
