"""Whatever is done to the screens in whatever order, they hold: every dump is well-formed or a named trap, and no call
is placed that the phone's telephony does not know of."""

import re
import shlex
import xml.etree.ElementTree as ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.phone.screens.dialler import CODE
from simulators.phone.screens.profile import Profile, Troubles
from tests.simulators.phone.screens.hand import MESSENGER, PROFILES, Hand, bounds

TRAPS = (b"ERROR: could not get idle state.\n", b"ERROR: null root node returned by UiTestAutomationBridge.\n", b"")
COMMANDS = st.one_of(
    st.builds("input tap {} {}".format, st.integers(-10, 2500), st.integers(-10, 2500)),
    st.builds("input swipe {} {} {} {} {}".format, *[st.integers(0, 2500)] * 4, st.integers(1, 900)),
    st.text(max_size=12).map(lambda text: f"input text {shlex.quote(text)}"),
    st.sampled_from(["3", "4", "5", "6", "26", "66", "67", "82", "187", "224", "KEYCODE_7", "STAR"]).map(
        "input keyevent {}".format),
    st.sampled_from(["", "--compressed", "/sdcard/u.xml", "/dev/tty"]).map("uiautomator dump {}".format),
    st.integers(0, 3).map("settings put system user_rotation {}".format),
    st.sampled_from([
        "settings put system accelerometer_rotation 0", "settings put system accelerometer_rotation 1",
        f"monkey -p {MESSENGER} 1", f"pm clear {MESSENGER}", f"am force-stop {MESSENGER}",
        "am start -a android.intent.action.VIEW -d tg://resolve?phone=380671111234",
        "am start -a android.intent.action.VIEW -d tg://resolve?phone=",
        "am start -a android.intent.action.VIEW -d 'https://[t.me/+1'",
        "am start -a android.intent.action.DIAL -d tel:0671112299", "am start -a android.settings.SETTINGS",
        "am start -a android.intent.action.CALL -d tel:+380671112006", "am start -a android.settings.WIFI_SETTINGS",
        "am start -a android.settings.MANAGE_ALL_SIM_PROFILES_SETTINGS", "cmd connectivity airplane-mode enable",
        "cmd connectivity airplane-mode disable", "svc wifi disable", "wm size 480x800", "wm size 4000x480",
        "wm density 640", "wm size reset", "ime set com.android.adbkeyboard/.AdbIME",
        "am broadcast -a ADB_INPUT_TEXT --es msg 'Привіт & <світ>\x01'", "dumpsys window", "screencap -p",
    ]),
)  # fmt: skip
TROUBLES = st.builds(Troubles, **{name: st.sampled_from([0.0, 0.3]) for name in (
    "popups", "not_idle", "no_root", "crash", "elsewhere", "ticking")})  # fmt: skip
STEPS = st.lists(st.tuples(COMMANDS, st.sampled_from([0.0, 0.3, 3.0])), max_size=30)


def tap_something(hand: Hand, which: int) -> None:
    """Touches one of the things that can be, so that a run gets somewhere."""
    window = hand.screens.active()
    found = [node for node in window.root.walk() if node.touchable] if window else []
    if found:
        x, y = found[which % len(found)].bounds.centre
        hand.run(f"input tap {x} {y}")


@given(
    profile=st.sampled_from(PROFILES), troubles=TROUBLES, steps=STEPS, taps=st.lists(st.integers(0, 99), max_size=30),
    incoming=st.booleans(), sims=st.integers(1, 2),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_nothing_that_is_done_breaks_the_screens(
    profile: Profile, troubles: Troubles, steps: list[tuple[str, float]], taps: list[int], incoming: bool, sims: int
) -> None:
    hand = Hand(profile, sims=sims)
    hand.screens.troubles = troubles
    for place, (line, seconds) in enumerate(steps):
        if incoming and place == 5:
            hand.happened.extend(hand.telephony.ring("+380441112233", hand.now))
        said = hand.run(line)
        hand.wait(seconds)
        check_dump(hand, line, said.out)
        if place < len(taps):
            tap_something(hand, taps[place])
    check_dump(hand, "uiautomator dump /dev/tty", hand.run("uiautomator dump /dev/tty").out)
    check_calls(hand)


def check_dump(hand: Hand, line: str, out: bytes) -> None:
    if not line.startswith("uiautomator") or out in TRAPS:
        return
    before, said, told = out.decode().rpartition("UI hierchary dumped to: ")
    assert said
    xml = before if told == "/dev/tty\n" else hand.android.files[told.strip()].decode()
    screen = hand.screens.screen
    for node in ElementTree.fromstring(xml).iter("node"):
        left, top, right, bottom = bounds(node)
        assert 0 <= left <= right <= screen.right and 0 <= top <= bottom <= screen.bottom, node.attrib


def check_calls(hand: Hand) -> None:
    """Each number that was dialled is a call of the telephony, or a code; and no other call went out."""
    codes = [number for number in hand.dials if CODE.fullmatch(number)]
    placed = [number for number in hand.dials if not CODE.fullmatch(number)]
    made = [one.call.number for one in hand.happened if one.event == "CREATED" and not one.call.incoming]
    assert made == placed
    assert codes == [line.data for line in hand.screens.log if line.what == "ussd"]
    assert all(re.fullmatch(r"[0-9+*#]+", number) for number in hand.dials)
    in_app = {line.where for line in hand.screens.log if line.what == "app_call"}
    assert not in_app & set(made) - {"+380671112006"}
