"""What a dump says is what the picture shows, in every layout, language and size."""

import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from simulators.phone.screens.node import Node, Rect
from simulators.phone.screens.paint import Painter, fit
from simulators.phone.screens.profile import SMALL, Language, Profile
from tests.simulators.phone.screens.hand import NAMES, PROFILES, Hand, bounds, centre, visits


def drawn(hand: Hand, node: Node) -> tuple[int, int, int, int] | None:
    """Which pixels a node's text covers, drawn by itself."""
    screen = hand.screens.screen
    image = Image.new("RGB", (screen.width, screen.height), "black")
    paint = replace(node.paint, fill="", ink="#ffffff", icon="")
    Painter(image, hand.screens.display.dpi).window(replace(node, children=(), paint=paint, focused=False))
    return image.getbbox()


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_each_text_of_a_dump_is_drawn_inside_its_bounds(profile: Profile, turned: int) -> None:
    hand = Hand(profile, sims=2)
    hand.run(f"settings put system user_rotation {turned}")
    hand.run("settings put system accelerometer_rotation 0")
    for name in visits(hand):
        texts, window = hand.texts(), hand.screens.active()
        assert window is not None
        shown = [node for node in window.root.walk() if node.shown]
        assert [node.shown for node in shown] == texts, name
        for node in shown:
            assert node.bounds.within(hand.screens.screen), (name, node.shown, node.bounds)
            pixels = drawn(hand, node)
            assert pixels is not None, (name, node.shown)
            left, top, right, bottom = pixels
            at = node.bounds
            inside = at.left <= left and at.top <= top and right <= at.right and bottom <= at.bottom
            assert inside, (name, node.shown, at, pixels)


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_each_text_is_whole_and_large_enough_to_be_read(profile: Profile) -> None:
    hand = Hand(profile, sims=2)
    for name in visits(hand):
        painter = Painter(Image.new("RGB", (1, 1)), hand.screens.display.dpi)
        for node in (node for window in hand.screens.windows() for node in window.root.walk() if node.shown):
            found = painter.fitted(node)
            assert "".join(found.lines).replace(" ", "") == node.shown.replace(" ", ""), (name, node.shown)
            assert found.size >= painter.px(9), (name, node.shown, found)


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_nothing_that_can_be_touched_is_covered_unless_marked(profile: Profile) -> None:
    hand, covered = Hand(profile, sims=2), 0
    for name in visits(hand):
        for node in hand.nodes():
            if node.get("clickable") != "true":
                continue
            window = hand.screens._touched(*centre(node))
            assert window is not None
            felt = window.root.at(*centre(node), lambda one: one.touchable)
            mine = felt is not None and tuple(felt.bounds) == bounds(node)
            marked = node.get("visible-to-user") == "false"
            covered += marked
            assert mine is not marked, (name, node.attrib)
    assert (covered > 0) == hand.second  # the first layout makes room for the keyboard


def test_a_picture_has_the_pixels_of_the_screen_as_it_is_held() -> None:
    hand = Hand(Profile(display=SMALL))
    assert Image.open(io.BytesIO(hand.run("screencap -p").out)).size == (720, 1600)
    hand.screens.turned = 1
    assert Image.open(io.BytesIO(hand.run("screencap -p").out)).size == (1600, 720)
    assert 'rotation="1"' in hand.out("uiautomator dump /dev/tty")
    hand.run("screencap -p /sdcard/a.png")
    assert hand.android.files["/sdcard/a.png"] == hand.run("screencap -p").out
    raw = hand.run("screencap").out
    assert len(raw) == 16 + 720 * 1600 * 4


def test_two_pictures_differ_where_the_screens_do() -> None:
    hand = Hand()
    first = hand.run("screencap -p").out
    assert hand.run("screencap -p").out == first
    hand.run("input keyevent POWER")
    dark = Image.open(io.BytesIO(hand.run("screencap -p").out)).convert("RGB")
    assert dark.getbbox() is None
    hand.run("input keyevent WAKEUP")
    assert hand.run("screencap -p").out == first


def test_letters_of_both_languages_are_letters() -> None:
    """A font without them would draw the same box for each."""
    letters = "ЇїЄєҐґІіЖж" + "QqWw"
    seen = set()
    for letter in letters:
        image = Image.new("RGB", (60, 60), "white")
        Painter(image, 320).window(Node(Rect(0, 0, 60, 60), text=letter))
        seen.add(image.tobytes())
    assert len(seen) == len(letters)


def test_a_text_that_does_not_fit_is_made_smaller_and_then_cut() -> None:
    assert fit("word", 1000, 100, 40).size == 40
    smaller = fit("a long line of words", 150, 50, 40)
    assert 7 <= smaller.size < 40 and " ".join(smaller.lines) == "a long line of words"
    assert fit("x" * 200, 20, 10, 40).lines in ((), ("x" * 200,))


def test_both_layouts_and_languages_differ() -> None:
    seen = {}
    for layout in (1, 2):
        for language in Language:
            hand = Hand(Profile(layout=layout, language=language))
            hand.run("am start -a android.settings.SETTINGS")
            hand.wait(1)
            said = hand.out("uiautomator dump /dev/tty")
            seen[layout, language] = set(re.findall(r'resource-id="([^"]*)"', said)), set(hand.texts())
    ids = {key: value[0] for key, value in seen.items()}
    assert ids[1, Language.ENGLISH] == ids[1, Language.UKRAINIAN] != ids[2, Language.ENGLISH]
    assert not seen[1, Language.ENGLISH][1] & seen[1, Language.UKRAINIAN][1]
