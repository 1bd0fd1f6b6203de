"""The shell commands of the screens print what Android's own do, and end as they do."""

import pytest

from simulators.phone.screens.profile import SMALL, Profile
from tests.simulators.phone.screens.hand import MESSENGER, Hand


@pytest.mark.parametrize("text", ["Привіт", "naïve", "", "a\tb", "😀"])
def test_input_text_fails_on_what_no_key_map_has(text: str) -> None:
    hand = Hand()
    hand.chat("+380671111234")
    hand.tap("chat_edit_text")
    said = hand.run(f"input text '{text}'")
    assert said.code == 255 and b"java.lang.NullPointerException: Attempt to get length of null array" in said.err
    assert hand.find("chat_edit_text").get("text") == hand.word("message")  # the hint


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("input tap 1", 255, "Error: Invalid arguments for command: tap"),
        ("input tap a b", 255, "Error: Invalid arguments"),
        ("input fly 1 2", 255, "Error: Unknown command: fly"),
        ("input keyevent NO_SUCH_KEY", 255, "Unknown keycode"),
        ("am start -n com.example/.Main", 1, "Error: Activity class {com.example/com.example.Main} does not exist."),
        ("am start -a android.intent.action.VIEW -d foo://bar", 1, "Error: Activity not started, unable to resolve"),
        ("am start -a", 1, "Argument expected"),
        ("monkey -p com.example 1", 252, "No activities found to run, monkey aborted"),
        ("pm clear com.example", 1, "Failed"),
        ("wm size 5x5", 255, "bad size"),
        ("wm density 1", 255, "density must be >= 72"),
        ("ime set com.example/.Ime", 255, "Unknown input method"),
        ("cmd connectivity no-such", 255, "Unknown command"),
    ],
)
def test_a_mistake_ends_as_on_a_phone(line: str, code: int, says: str) -> None:
    said = Hand().run(line)
    assert said.code == code and says in (said.out + said.err).decode()


def test_am_start_says_what_it_starts_and_keeps_numbers_to_itself() -> None:
    hand = Hand()
    said = hand.out("am start -a android.intent.action.VIEW -d 'tg://resolve?phone=380671111234'")
    assert said.startswith("Starting: Intent { act=android.intent.action.VIEW dat=tg://resolve/...")
    assert "380671111234" not in said
    started = hand.out(f"am start -W -n {MESSENGER}/org.telegram.ui.LaunchActivity")
    assert "Warning: Activity not started, its current task has been brought to the front" in started
    assert "Status: ok" in started and started.endswith("Complete\n")
    assert hand.out(f"am start {MESSENGER}/org.telegram.ui.LaunchActivity").startswith("Starting: Intent { cmp=")


def test_the_window_in_front_is_named() -> None:
    hand = Hand()
    assert "mCurrentFocus=Window{" in hand.out("dumpsys window")
    hand.run(f"monkey -p {MESSENGER} -c android.intent.category.LAUNCHER 1")
    line = hand.out("dumpsys window windows").splitlines()[0]
    assert line.endswith(f" u0 {MESSENGER}/org.telegram.ui.LaunchActivity}}")
    hand.run("input keyevent 3")
    assert "com.sec.android.app.launcher/" in hand.out("dumpsys window")
    hand.run("am start -a android.intent.action.MAIN -c android.intent.category.HOME")
    assert "com.sec.android.app.launcher/" in hand.out("dumpsys activity activities")


def test_sizes_are_told_and_changed() -> None:
    hand = Hand(Profile(display=SMALL))
    assert hand.out("wm size") == "Physical size: 720x1600\n"
    assert hand.out("wm density") == "Physical density: 320\n"
    hand.run("wm size 1080x2400")
    hand.run("wm density 420")
    assert hand.out("wm size") == "Physical size: 720x1600\nOverride size: 1080x2400\n"
    assert hand.out("wm density") == "Physical density: 320\nOverride density: 420\n"
    assert hand.nodes()[0].get("bounds") == "[0,74][1080,2274]"
    hand.run("wm size reset")
    hand.run("wm density reset")
    assert hand.out("wm size") == "Physical size: 720x1600\n"


def test_settings_say_what_was_put_and_move_no_radio() -> None:
    hand = Hand()
    assert hand.out("settings get global wifi_on") == "1\n"
    assert hand.out("settings get global no_such") == "null\n"
    hand.run("settings put global airplane_mode_on 1")
    assert hand.out("settings get global airplane_mode_on") == "1\n"
    assert hand.out("cmd connectivity airplane-mode") == "disabled\n"  # as on a phone: nothing was told of it
    assert "airplane_mode_on=1" in hand.out("settings list global").splitlines()
    assert hand.out("settings delete global airplane_mode_on") == "Deleted 1 rows\n"
    assert hand.out("settings get secure default_input_method") == "com.android.inputmethod.latin/.LatinIME\n"


def test_wifi_is_turned_by_command_and_on_the_screen() -> None:
    for layout in (1, 2):
        hand = Hand(Profile(layout=layout))
        assert hand.run("svc wifi disable").out == b""
        hand.run("am start -a android.settings.WIFI_SETTINGS")
        hand.wait(1)
        assert hand.find("switch_widget").get("checked") == "false"
        hand.tap("Wi-Fi", "switch_widget")
        assert hand.out("settings get global wifi_on") == "1\n"
        assert hand.did("setting") == [("setting", "off"), ("setting", "on")]


def test_old_phones_know_no_airplane_mode_command() -> None:
    said = Hand(release=9).run("cmd connectivity airplane-mode enable")
    assert said.code != 0 and b"Unknown command" in said.out


def test_packages_are_listed() -> None:
    hand = Hand(Profile(helper=True))
    listed = hand.out("pm list packages").splitlines()
    assert f"package:{MESSENGER}" in listed and "package:com.android.phone" in listed
    own = ["package:com.android.adbkeyboard", f"package:{MESSENGER}"]
    assert hand.out("pm list packages -3").splitlines() == own
    assert hand.out("cmd package list packages telegram") == f"package:{MESSENGER}\n"
    assert hand.out(f"pm path {MESSENGER}").startswith("package:/data/app/")


@pytest.mark.parametrize("layout", [1, 2])
def test_an_apps_data_are_cleared_on_the_screen(layout: int) -> None:
    hand = Hand(Profile(layout=layout))
    hand.run(f"am start -a android.settings.APPLICATION_DETAILS_SETTINGS -d package:{MESSENGER}")
    if layout == 2:
        hand.tap("", hand.word("storage"))
    hand.tap(hand.word("clear data"), hand.word("clear storage"))
    hand.tap("button2")
    assert hand.did("cleared") == []
    hand.tap(hand.word("clear data"), hand.word("clear storage"))
    hand.tap("button1")
    assert hand.did("cleared") == [("cleared", MESSENGER)]
    assert hand.shows(hand.word("nothing used"))


@pytest.mark.parametrize("layout", [1, 2])
def test_an_app_is_opened_and_asked_about_from_the_home_screen(layout: int) -> None:
    hand = Hand(Profile(layout=layout))
    if layout == 2:
        hand.run("input swipe 500 1200 500 300 200")
    hand.tap("Telegram")
    assert MESSENGER in hand.out("dumpsys window")
    hand.run("input keyevent HOME")
    x, y = (int(part) for part in hand.find("Telegram").get("bounds", "").strip("[").split("]")[0].split(","))
    hand.run(f"input swipe {x + 40} {y + 40} {x + 40} {y + 40} 900")  # a long press
    hand.tap("app_info")
    assert hand.shows("org.telegram.messenger")


def test_a_phone_that_is_turned_has_a_wide_screen() -> None:
    hand = Hand()
    hand.screens.turned = 1
    assert hand.dump().get("rotation") == "1" and hand.nodes()[0].get("bounds", "").endswith("][2400,954]")
    hand.run("settings put system accelerometer_rotation 0")
    assert hand.dump().get("rotation") == "0"
    hand.run("settings put system user_rotation 3")
    assert hand.dump().get("rotation") == "3"


def test_a_pin_unlocks_and_wrong_ones_make_it_wait() -> None:
    for typed in (True, False):
        hand = Hand(Profile(pin="1234"))
        assert "NotificationShade" in hand.out("dumpsys window")
        hand.run(f"monkey -p {MESSENGER} 1")  # it opens below the lock
        assert hand.shows(hand.word("swipe up"))
        hand.run("input swipe 500 1800 500 600")
        if typed:
            hand.run("input text 1234")
        else:
            for digit in "1234":
                hand.tap(f"key{digit}")
        assert hand.find("pinEntry").get("text") == "••••" and hand.find("pinEntry").get("password") == "true"
        hand.run("input keyevent 66")
        assert hand.did("unlocked") and MESSENGER in hand.out("dumpsys window")
    hand.run("input keyevent POWER")
    hand.run("input keyevent POWER")
    hand.run("input swipe 500 1800 500 600")
    for _ in range(5):
        hand.run("input text 9999")
        hand.run("input keyevent 66")
    assert hand.shows(hand.word("try later"))
    hand.run("input text 1234")
    hand.run("input keyevent 66")
    assert len(hand.did("unlocked")) == 1
    hand.wait(30)
    hand.run("input text 1234")
    hand.run("input keyevent 66")
    assert len(hand.did("unlocked")) == 2


def test_a_restart_closes_everything_and_locks() -> None:
    hand = Hand(Profile(pin="1234"))
    hand.screens.locked = False
    hand.chat("+380671111234")
    hand.call_in_app()
    hand.android.restart()
    assert hand.outcomes() == [("+380671111234", "killed")]
    assert hand.screens.locked and hand.screens.front is hand.screens.launcher
