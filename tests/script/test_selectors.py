"""Which thing on the screen is meant, and where it is tapped."""

import time
from typing import Any

import msgspec
import pytest

from actors.script import selectors
from actors.script.patterns import BadPattern, compiled
from actors.script.selectors import Selector, matches, one, point, problems
from actors.script.tree import Bounds, Node, Tree
from tests.script.screens import NAMES, drawn, screen


def selector(**said: Any) -> Selector:
    return msgspec.convert(said, Selector)


def found(name: str, **said: Any) -> list[str]:
    """What is meant, in words: its text, else its description, else its id."""
    nodes = matches(selector(**said), screen(name))
    return [node.text or node.description or node.id.rpartition("/")[2] for node in nodes]


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("permission_11_en", {"text": "Allow"}, ["Allow"]),
        ("permission_11_en", {"text": "ALLOW"}, ["Allow"]),
        ("permission_13_uk", {"text": ["Allow", "Лише цього разу"]}, ["Лише цього разу"]),
        ("contacts_telegram_11_ru", {"text": "Мария Коваленко"}, ["Мария\u200e Ковал\u00adенко"]),
        ("contacts_telegram_11_ru", {"text": "Е\u0308лка"}, ["Ёлка"]),
        ("contacts_telegram_11_ru", {"text": "нет такого"}, []),
        ("ussd_9_ru", {"text_containing": "154.20 ГРН"}, ["На счету 154.20 грн. Тариф действует до 12.12"]),
        ("settings_14_uk", {"text_containing": ["wi-fi"]}, ["Мобільний зв’язок, Wi-Fi, точка доступу"]),
        ("about_12_en", {"text_matching": r"^\d{15}$"}, ["356938035643809", "356938035643817"]),
        ("chat_telegram_12_en", {"description": "call"}, ["Call"]),
        ("chat_telegram_12_en", {"description_containing": "received at"}, ["Hello! 👋\nReceived at 10:31 AM"]),
        ("launcher_samsung_11_uk", {"description_matching": r"\d+ нових"}, ["Повідомлення"]),
        ("wifi_samsung_11_ru", {"id": "com.android.settings:id/switch_widget"}, ["Выключено"]),
        ("wifi_samsung_11_ru", {"id": "switch_widget", "checked": False}, ["Выключено"]),
        ("wifi_samsung_11_ru", {"id": "other:id/switch_widget"}, []),
        ("wifi_samsung_11_ru", {"class": "android.widget.Switch"}, ["Выключено"]),
        ("chat_telegram_12_en", {"class": ["EditText"]}, ["Message"]),
        ("app_info_9_ru", {"class": "Button", "enabled": False}, ["ОСТАНОВИТЬ"]),
        ("dialler_samsung_13_uk", {"selected": True}, ["Клавіатура"]),
        ("dialler_pixel_12_en", {"focused": True}, ["+380 99 123 4567"]),
        ("settings_12_en", {"scrollable": True}, ["recycler_view"]),
        ("lock_10_uk", {"package": "com.android.systemui", "clickable": True}, ["Екстрений виклик"]),
        ("contacts_telegram_11_ru", {"text": "Иван"}, ["Иван", "Иван"]),
        ("call_telegram_10_ru", {"text": "Завершить", "class": "TextView"}, ["Завершить"]),
    ],
)
def test_what_a_thing_says_of_itself(name: str, said: dict[str, Any], expected: list[str]) -> None:
    assert found(name, **said) == expected


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("about_12_en", {"id": "summary", "below": {"text": "IMEI (sim slot 1)"}, "index": 0}, "356938035643809"),
        ("about_12_en", {"id": "title", "above": {"text": "IMEI (sim slot 2)"}}, "IMEI (sim slot 1)"),
        ("contacts_telegram_11_ru", {"text": "Иван", "below": {"text": "Анна"}}, "Иван"),
        ("dialler_pixel_12_en", {"class": "TextView", "left_of": {"text": "3"}, "id": "dialpad_key_number"}, "2"),
        ("dialler_pixel_12_en", {"class": "TextView", "right_of": {"text": "1"}, "id": "dialpad_key_number"}, "2"),
        ("call_telegram_10_ru", {"class": "FrameLayout", "containing": {"text": "Завершить"}}, "Завершить"),
        ("wifi_14_uk", {"class": "Switch", "inside": {"class": "LinearLayout", "containing": {"text": "Wi-Fi"}}},
         "switch_widget"),
        ("contacts_telegram_11_ru", {"description": "Позвонить", "sibling_of": {"text": "Мария Коваленко"}},
         "Позвонить"),
        ("contacts_telegram_11_ru", {"class": "TextView", "index": -1}, "Яна"),
        ("permission_13_uk", {"any_of": [{"text": "Allow"}, {"id": "permission_allow_one_time_button"}]},
         "Лише цього разу"),
    ],
)  # fmt: skip
def test_what_stands_in_some_way_to_another(name: str, said: dict[str, Any], expected: str) -> None:
    node = one(selector(**said), screen(name))
    assert node is not None
    assert expected in (node.text, node.description, node.id.rpartition("/")[2])


def test_a_row_is_told_from_others_that_say_the_same() -> None:
    tree = screen("contacts_telegram_11_ru")
    second = one(selector(text="Иван", sibling_of={"text": "был(а) в 10:31"}), tree)
    call = one(selector(description="Позвонить", sibling_of={"text": "был(а) в 10:31"}), tree)
    assert second is not None and call is not None
    assert second.bounds.top == 580 and point(call, tree) == (995, 635)
    assert one(selector(text="Иван", index=1), tree) == second
    assert one(selector(text="Иван", index=-1), tree) == second
    assert one(selector(text="Иван", index=2), tree) is None
    assert one(selector(text="Иван", index=-3), tree) is None


def test_beside_means_in_the_same_column_or_row() -> None:
    tree = drawn(("a", (0, 0, 100, 100)), ("b", (200, 200, 300, 300)), ("c", (0, 400, 100, 500)))
    assert [node.text for node in matches(selector(clickable=True, below={"text": "a"}), tree)] == ["c"]
    assert matches(selector(clickable=True, right_of={"text": "a"}), tree) == []
    assert matches(selector(clickable=True, below={"text": "nothing"}), tree) == []


def test_the_nearest_beside_is_first_whatever_the_order_of_the_dump() -> None:
    tree = drawn(("far", (0, 600, 9, 700)), ("near", (0, 200, 9, 300)), ("a", (0, 0, 9, 100)))
    assert [node.text for node in matches(selector(clickable=True, below={"text": "a"}), tree)] == ["near", "far"]


def test_what_has_no_place_on_the_screen_is_not_there() -> None:
    tree = drawn(("a", (0, 0, 0, 0)), ("a", (0, 2100, 100, 2200)), ("a", (0, 1900, 100, 2100)))
    (seen,) = matches(selector(text="a"), tree)
    assert seen.at == 3 and point(seen, tree) == (50, 1950)


def test_a_tap_goes_beside_what_was_drawn_over() -> None:
    under, over = ("row", (0, 0, 400, 100)), ("button", (150, 0, 250, 100))
    tree = drawn(under, over)
    assert point(tree.nodes[1], tree) == (100, 50)
    assert point(tree.nodes[2], tree) == (200, 50)
    hidden = drawn(under, ("sheet", (0, 0, 1000, 2000)))
    assert point(hidden.nodes[1], hidden) is None


def test_a_tap_stays_in_what_its_list_shows() -> None:
    nodes = (
        Node(at=0, parent=-1, end=3, bounds=Bounds(0, 0, 1000, 2000)),
        Node(at=1, parent=0, end=3, bounds=Bounds(0, 0, 1000, 1000)),
        Node(at=2, parent=1, end=3, text="row", bounds=Bounds(0, 900, 1000, 1900), clickable=True),
    )
    assert point(nodes[2], Tree(nodes=nodes)) == (500, 950)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_can_be_tapped_is_tapped_inside(name: str) -> None:
    tree = screen(name)
    for node in tree.nodes:
        place = point(node, tree)
        assert place is None or node.bounds.has(*place)
        assert place is not None or not node.clickable or name == "launcher_samsung_11_uk"


def test_no_pattern_takes_for_ever() -> None:
    tree = drawn(("a" * 50_000 + "b", (0, 0, 9, 9)))
    began = time.process_time()
    for pattern in ("^(a+)+$", "(a|aa)+$", "(.*)*.*=.*$", "^(([a-z])+.)+[A-Z]([a-z])+$"):
        assert matches(selector(text_matching=pattern), tree) == []
    assert time.process_time() - began < 5


def test_patterns_are_those_of_re2() -> None:
    assert compiled(r"на счету (\d+\.\d+)").out_of("На счету 1.5") is None
    assert compiled(r"(?i)на счету (\d+\.\d+)").out_of("На счету 1.5 грн") == "1.5"
    assert compiled(r"\d+").out_of("a 12") == "12" and compiled("(x)?y").out_of("y") == ""
    assert compiled(r"\+\d{7,15}").fits("+380991234567") and not compiled(r"\d+").fits("12\n")
    compiled("a").in_it("\ud83d")
    for bad in ("(", "(?=a)", r"(a)\1", "a{2000}", "x" * 501, "\ud83d", "((((a{100}){100}){100}){100})"):
        with pytest.raises(BadPattern):
            compiled(bad)


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ({}, ()),
        ({"index": 1}, ()),
        ({"below": {}, "text": "a"}, ("below",)),
        ({"text": " \u200b"}, ("text",)),
        ({"class": ["a", ""]}, ("class",)),
        ({"text_matching": "("}, ("text_matching",)),
        ({"any_of": [{"text": "a"}], "text": "b"}, ("any_of",)),
        ({"any_of": [{"text": "a"}, {}]}, ("any_of", 1)),
        ({"text": "a", "inside": {"text": "a", "inside": {"text": "a", "inside": {"text": "a", "inside": {}}}}},
         ("inside",) * 4),
    ],
)  # fmt: skip
def test_what_a_selector_cannot_be(said: dict[str, Any], way: tuple[str | int, ...]) -> None:
    assert [place for place, _ in problems(selector(**said))] == [way]


def test_a_selector_that_can_be_has_no_problems() -> None:
    assert list(problems(selector(text="a", index=0, below={"any_of": [{"id": "b"}]}))) == []


def test_long_texts_are_matched_and_not_kept() -> None:
    long = "x" * 100_000
    before = selectors._kept_plain.cache_info().currsize
    tree = drawn((f"A\u00a0{long}", (0, 0, 9, 9)))
    assert len(matches(selector(text_containing="a x"), tree)) == 1
    assert selectors._kept_plain.cache_info().currsize <= before + 3  # what is sought, and texts of the frame
