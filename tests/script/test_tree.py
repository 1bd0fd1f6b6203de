"""What a dump came to: screens, and each of the ways in which the tool fails while it says that it did not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.script import tree
from actors.script.tree import Bounds, Crashed, Elsewhere, NoRoot, NotIdle, Seen, Unreadable, parse, read
from tests.script.screens import NAMES, data, screen
from tests.support.depth import examples

ASKED = "/sdcard/ottb.xml"
DONE = f"UI hierchary dumped to: {ASKED}\n"
SMALL = b'<hierarchy rotation="1"><node text="a" bounds="[0,0][10,20]"/></hierarchy>'


def seen(said: bytes) -> tree.Tree:
    found = parse(said)
    assert isinstance(found, Seen), found
    return found.tree


@pytest.mark.parametrize("name", NAMES)
def test_every_screen_is_read_and_hangs_together(name: str) -> None:
    nodes = screen(name).nodes
    assert len(nodes) == data(name).count(b"<node ")
    for node in nodes:
        assert node.at < node.end <= len(nodes)
        assert node.parent == -1 or nodes[node.parent].at < node.at < node.end <= nodes[node.parent].end


def test_a_node_has_what_the_dump_says() -> None:
    (switch,) = (node for node in screen("wifi_14_uk").nodes if node.kind.endswith("Switch"))
    assert (switch.id, switch.package) == ("android:id/switch_widget", "com.android.settings")
    assert switch.checked and not switch.clickable and switch.enabled
    assert switch.bounds == Bounds(920, 360, 1048, 440)
    assert screen("update_9_ru").rotation == 1 and screen("update_9_ru").screen == Bounds(0, 0, 1280, 720)
    assert any("👋\nReceived" in node.description for node in screen("chat_telegram_12_en").nodes)


def test_a_new_file_at_the_path_is_the_screen() -> None:
    assert isinstance(read(DONE, SMALL, ASKED), Seen)
    assert isinstance(read(DONE.replace("hierchary", "hierarchy"), SMALL, ASKED), Seen)


def test_warnings_before_a_dump_are_no_failure() -> None:
    warned = "WARNING: linker: libdvm.so has text relocations\njava.lang.SecurityException: no theme\n" + DONE
    assert isinstance(read(warned, SMALL, ASKED), Seen)
    assert isinstance(read("ERROR: something new\n" + DONE, SMALL, ASKED), Crashed)


def test_a_dump_to_the_terminal_stands_in_what_was_said() -> None:
    words = "ERROR: null root node UI hierchary dumped to: /x"
    shown = SMALL.decode().replace('"a"', f'"{words}"')
    found = read(f"{shown}UI hierchary dumped to: /dev/tty\n", None, "/dev/tty")
    assert isinstance(found, Seen) and found.tree.nodes[0].text == words


@pytest.mark.parametrize(
    ("said", "file", "expected"),
    [
        ("ERROR: could not get idle state.\n", SMALL, NotIdle()),
        ("ERROR: null root node returned by UiTestAutomationBridge.\n", SMALL, NoRoot()),
        ("", SMALL, Crashed()),
        ("\r\n", None, Crashed()),
        ("Killed \n", SMALL, Crashed("Killed")),
        ("java.lang.IllegalStateException: UiAutomationService already registered!", SMALL,
         Crashed("java.lang.IllegalStateException: UiAutomationService already registered!")),
        ("nothing that is known", SMALL, Crashed("nothing that is known")),
        ("UI hierchary dumped to: /storage/emulated/legacy/window_dump.xml", SMALL,
         Elsewhere("/storage/emulated/legacy/window_dump.xml")),
        ("UI hierchary dumped to: ../../etc;reboot", SMALL, Unreadable("it was written to a path that is none")),
        ("UI hierchary dumped to: /sdcard/../data/a", SMALL, Unreadable("it was written to a path that is none")),
        (DONE, b"", Crashed("the file is empty")),
        (DONE, None, Crashed("there is no file")),
    ],
)  # fmt: skip
def test_every_trap_of_the_tool_has_its_name(said: str, file: bytes | None, expected: tree.Screen) -> None:
    assert read(said, file, ASKED) == expected


@pytest.mark.parametrize("sign", ["\x00", "\x08", "\x1f", "\ufffe", "&#0;", "&#x1F;", "&#xD83D;", "&#99999999;"])
def test_what_xml_cannot_carry_costs_one_character(sign: str) -> None:
    shown = SMALL.decode().replace('"a"', f'"a{sign}b"')
    assert seen(shown.encode()).nodes[0].text == "a\ufffdb"


def test_halves_of_characters_and_other_encodings_cost_no_screen() -> None:
    assert "b" in seen(SMALL.replace(b'"a"', b'"\xed\xa0\xbd\xed\xb8\x80b"')).nodes[0].text
    assert seen(b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-16'?>" + SMALL).nodes[0].text == "a"
    assert seen(SMALL.replace(b'"a"', b'"&#128222;&#x1F4DE;&lt;&amp;"')).nodes[0].text == "📞📞<&"


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE hierarchy [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE hierarchy [<!ENTITY a "ha"><!ENTITY x "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        "<!-- a comment -->",
    ],
)
def test_no_entity_is_expanded_and_nothing_declared(head: str) -> None:
    assert isinstance(parse((head + SMALL.decode().replace('"a"', '"&x;"')).encode()), Unreadable)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (SMALL[:-14], "no XML"),
        (b"<hierarchy><node text=", "no XML"),
        (b"<html/>", "its root is `html`"),
        (b"<hierarchy><thing/></hierarchy>", "an element `thing`"),
        (b"<hierarchy>" + b"<node>" * 101 + b"</node>" * 101 + b"</hierarchy>", "deeper than 100"),
        (b"<hierarchy>" + b"<node/>" * 10_001 + b"</hierarchy>", "more than 10000 nodes"),
        (b"<hierarchy>" + b" " * 2_000_000 + b"</hierarchy>", "more than 2000000 bytes"),
        (b"<hierarchy>" + b"<node>" * 100_000, ""),
    ],
)
def test_half_a_screen_or_too_much_of_one_is_none(said: bytes, why: str) -> None:
    found = parse(said)
    assert isinstance(found, Unreadable) and why in found.why


def test_a_large_screen_within_the_bounds_is_read() -> None:
    text = "x" * 150
    row = f'<node text="{text}" bounds="[0,0][1,1]"/>'.encode()
    assert len(seen(b"<hierarchy>" + row * 9_999 + b"</hierarchy>").nodes) == 9_999


def test_a_node_without_a_place_has_none() -> None:
    for place in ("", "[0,0]", "[a,b][c,d]", "[0,0][99999999,1]"):
        assert seen(SMALL.replace(b"[0,0][10,20]", place.encode())).nodes[0].bounds.empty
    assert seen(b"<hierarchy/>").screen.empty


@settings(max_examples=examples(400), deadline=None)
@given(said=st.text(max_size=200), file=st.none() | st.binary(max_size=200) | st.just(SMALL))
def test_whatever_the_tool_says_has_an_outcome(said: str, file: bytes | None) -> None:
    read(said, file, ASKED)


@settings(max_examples=examples(200), deadline=None)
@given(at=st.integers(0, 5000), change=st.binary(max_size=4), name=st.sampled_from(NAMES))
def test_a_damaged_screen_is_read_or_refused(at: int, change: bytes, name: str) -> None:
    said = data(name)
    found = parse(said[:at] + change + said[at + len(change) :])
    assert isinstance(found, Seen | Unreadable)
