"""`uiautomator dump`, and everything that goes wrong with it on real phones."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from simulators.phone.screens.profile import Profile, Troubles
from tests.simulators.phone.screens.hand import MESSENGER, Hand

HOME = "/sdcard/window_dump.xml"
NOT_IDLE = "ERROR: could not get idle state.\n"


def test_a_dump_goes_to_a_file_and_says_where() -> None:
    hand = Hand()
    assert hand.out("uiautomator dump") == f"UI hierchary dumped to: {HOME}\n"
    assert hand.out("uiautomator dump /sdcard/u.xml") == "UI hierchary dumped to: /sdcard/u.xml\n"
    assert hand.out("cat /sdcard/u.xml") == hand.out(f"cat {HOME}") != ""
    assert "\n" not in hand.out(f"cat {HOME}")
    printed = hand.out("uiautomator dump /dev/tty")
    assert printed == hand.out(f"cat {HOME}") + "UI hierchary dumped to: /dev/tty\n"


def test_no_dump_while_the_screen_moves() -> None:
    hand = Hand()
    hand.run("am start -a android.settings.SETTINGS")
    hand.now -= 0.3  # the next command comes a tenth of a second after the last
    said = hand.run("uiautomator dump /sdcard/u.xml")
    assert (said.out.decode(), said.code) == (NOT_IDLE, 0) and said.delay >= 1
    assert "/sdcard/u.xml" not in hand.android.files
    assert hand.out("uiautomator dump") != NOT_IDLE
    for scale in ("window_animation_scale", "transition_animation_scale"):
        hand.run(f"settings put global {scale} 0")
    hand.run(f"monkey -p {MESSENGER} 1")
    hand.now -= 0.3
    assert hand.out("uiautomator dump") != NOT_IDLE


def test_what_is_touched_during_an_animation_does_not_feel_it() -> None:
    hand = Hand()
    hand.run("am start -a android.settings.WIRELESS_SETTINGS")
    hand.wait(1)
    wifi = hand.find("Wi-Fi").get("bounds", "")
    x, y = wifi.strip("[]").replace("][", ",").split(",")[:2]
    hand.run("am start -a android.settings.WIRELESS_SETTINGS")
    hand.now -= 0.3
    hand.run(f"input tap {int(x) + 5} {int(y) + 5}")
    assert hand.did("setting") == []
    hand.run(f"input tap {int(x) + 5} {int(y) + 5}")
    assert hand.did("setting") == [("setting", "off")]


@pytest.mark.parametrize("trouble", ["not_idle", "no_root", "crash", "elsewhere"])
def test_each_trap_comes_at_its_rate(trouble: str) -> None:
    hand, seen = Hand(), 0
    hand.run("uiautomator dump /sdcard/u.xml")
    hand.screens.troubles = replace(Troubles(), **{trouble: 0.3})
    for _ in range(400):
        hand.android.files["/sdcard/u.xml"] = b"old"
        said = hand.run("uiautomator dump /sdcard/u.xml")
        seen += said.out != b"UI hierchary dumped to: /sdcard/u.xml\n"
    assert 80 <= seen <= 160


def test_the_old_file_stays_behind_a_root_that_is_null() -> None:
    hand = Hand()
    hand.run("uiautomator dump /sdcard/u.xml")
    old = hand.out("cat /sdcard/u.xml")
    hand.run("am start -a android.settings.SETTINGS")
    hand.screens.troubles.no_root = 1.0
    said = hand.run("uiautomator dump /sdcard/u.xml")
    assert said.out == b"ERROR: null root node returned by UiTestAutomationBridge.\n" and said.code == 0
    assert hand.out("cat /sdcard/u.xml") == old


def test_a_crash_says_nothing_and_leaves_what_was_there_or_nothing() -> None:
    hand, left = Hand(), set()
    hand.screens.troubles.crash = 1.0
    for _ in range(40):
        hand.android.files["/sdcard/u.xml"] = b"old"
        said = hand.run("uiautomator dump /sdcard/u.xml")
        assert (said.out, said.code) == (b"", 137)
        left.add(hand.android.files["/sdcard/u.xml"])
    assert left == {b"", b"old"}


def test_a_dump_may_be_at_another_path() -> None:
    hand = Hand()
    hand.screens.troubles.elsewhere = 1.0
    told = hand.out("uiautomator dump /sdcard/u.xml").strip().rpartition(" ")[2]
    assert told != "/sdcard/u.xml" and "/sdcard/u.xml" not in hand.android.files
    assert ElementTree.fromstring(hand.out(f"cat {told}")).tag == "hierarchy"


def test_a_screen_that_is_off_has_no_root() -> None:
    hand = Hand()
    hand.run("input keyevent SLEEP")
    assert "null root node" in hand.out("uiautomator dump")
    assert hand.out("dumpsys power") == "  mWakefulness=Asleep\n"
    hand.run("input keyevent WAKEUP")
    assert hand.texts()


def test_what_people_write_is_written_as_xml_has_it() -> None:
    hand = Hand()
    hand.chat("+380671111234")
    hand.tap("chat_edit_text")
    hand.run("input text '<a%sb=\"1\">&amp;</a>'")
    assert hand.find("chat_edit_text").get("text") == '<a b="1">&amp;</a>'
    assert "&lt;a b=&quot;1&quot;&gt;&amp;amp;" in hand.out("uiautomator dump /dev/tty")


def test_what_no_xml_has_is_a_dot() -> None:
    hand = Hand(Profile(helper=True))
    hand.run("ime set com.android.adbkeyboard/.AdbIME")
    hand.chat("+380671111234")
    hand.tap("chat_edit_text")
    hand.run("am broadcast -a ADB_INPUT_TEXT --es msg 'a\x01\ufffe\udc80b\tЇ😀'")
    assert hand.find("chat_edit_text").get("text") == "a...b\tЇ😀"


def test_compressed_leaves_out_what_only_arranges() -> None:
    hand = Hand()
    hand.run("am start -a android.settings.SETTINGS")
    hand.wait(1)
    whole, less = hand.out("uiautomator dump /dev/tty"), hand.out("uiautomator dump --compressed /dev/tty")
    assert less.count("<node") < whole.count("<node")
    assert less.count('clickable="true"') == whole.count('clickable="true"')


def test_popups_come_at_the_rate_that_is_set_and_the_same_for_a_seed() -> None:
    def run(seed: int) -> list[str]:
        hand = Hand(seed=seed)
        hand.screens.troubles.popups = 0.5
        for _ in range(100):
            hand.run("am start -a android.settings.SETTINGS")
            hand.wait(2)
            while hand.screens.questions:
                hand.run("input keyevent BACK")
            hand.run("input keyevent HOME")
        return [line.data for line in hand.screens.log if line.what == "asked"]

    first = run(1)
    assert first == run(1) != run(2)
    assert 30 <= len(first) <= 70 and set(first) == {"permission", "update", "battery"}


def test_a_question_takes_the_focus_and_every_touch() -> None:
    hand = Hand()
    hand.run("am start -a android.settings.WIRELESS_SETTINGS")
    hand.wait(1)
    hand.screens.troubles.popups = 1.0
    hand.tap("switch_widget")
    hand.wait(2)
    focus = hand.out("dumpsys window")
    assert "com.android.settings/" not in focus.splitlines()[0]
    assert "Wi-Fi" not in hand.texts()
    hand.run("input tap 500 250")  # where the settings were
    assert hand.did("setting") == [("setting", "off")]
