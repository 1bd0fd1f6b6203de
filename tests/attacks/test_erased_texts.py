"""Whoever may edit leads words what is looked for when one of them is erased, and others what it is looked for in."""

import time

import msgspec
import pytest

from actors.erasure.person import MOST_BYTES, MOST_NUMBERS, MOST_TEXTS, Person, Traces, joined
from actors.erasure.redacting import found_in
from actors.runtime.marks import Marks
from actors.telephony.numbers import canonical

MARKS = Marks(b"key")
FAST = 0.5  # seconds of processor time for one text: others at the host wait for as long
NOTE = 16 * 1024


def taken(traces: Traces, text: str) -> float:
    begun = time.process_time()
    traces.numbered(text)
    traces.named(text)
    traces.without(text)
    return time.process_time() - begun


@pytest.mark.parametrize(("name", "text"), [
    ("a " * 14, "a " * 13 + "b"), ("a " * 99, "a " * 98 + "b"), ("a " * 99, ("a " * 98 + "b ") * 80),
    ("a " * 99, "a x " * 4_000), ("a " * 99, "a " * 98 + " " * NOTE), (". " * 99, ". " * 98 + "x"),
], ids=["short", "long", "often", "with others between", "with blanks", "without letters"])  # fmt: skip
def test_a_name_of_words_that_are_alike_is_sought_in_no_time(name: str, text: str) -> None:
    name = name.strip()
    traces = Traces(Person(texts=frozenset({name}), names=frozenset({name})), MARKS)
    assert traces.named(f"rang {name}.") == (name[0] == "a")
    assert taken(traces, text) < FAST


@pytest.mark.parametrize(("number", "sign"), [
    ("+62121212121212", "%21"), ("+622020202020202", "%20"), ("+492727272727272", "&27;"),
    ("+49222222222222", "&2222;"),
])  # fmt: skip
def test_a_number_is_sought_in_no_time_among_signs_with_its_digits(number: str, sign: str) -> None:
    assert canonical(number, "UA").e164 == number
    traces = Traces(Person(numbers=frozenset({number})), MARKS)
    assert taken(traces, sign * (NOTE // len(sign)) + "x") < FAST
    digits = number.removeprefix("+")
    for between in ("%", "%20", "&", "&44;", "&#44;", "/%2D", "%C2%A0"):
        assert traces.numbered(f"rang {between.join(digits)}.")
    assert traces.numbered("%".join([digits[0], *(digits[at : at + 2] for at in range(1, len(digits), 2))]))


def test_a_thousand_numbers_of_one_lead_are_sought_in_no_time() -> None:
    found = []
    for version in range(2_000):
        row = {"id": "l1", "numbers": [f"+38067{1_000_000 + 5 * version + place}" for place in range(5)]}
        said = msgspec.json.encode({"campaign": "c1", "leads": [row]})
        found.append(found_in("ottb.v1.evt.campaign.c1.leads_added", said, Person(leads=frozenset({("c1", "l1")}))))
    begun = time.process_time()
    person = joined(Person(numbers=frozenset({"+380683212010"})), found)
    traces = Traces(person, MARKS)
    assert time.process_time() - begun < FAST
    assert {"+380683212010", "+380671000000", "+380671009999"} <= person.numbers
    assert len(person.numbers) <= MOST_NUMBERS + 1
    for text in ("0671000000, 067%20999%2099%2099. ", "0671000000 ", "1234567890"):
        assert taken(traces, text * (4 * NOTE // len(text))) < FAST
    assert traces.numbered("rang 067 100 00 00.") and not traces.numbered("rang 067 999 99 99.")


def test_what_a_person_was_called_is_sought_as_far_as_it_can_be_kept() -> None:
    number = "+380683212010"
    found = []
    for version in range(4_000):
        name = {0: "Olena Zhuravlivska", 3_999: "Olena Nightingale"}.get(version, f"Bob{version} Mallory{version}")
        row = {"id": "l1", "numbers": [number], "name": name, "custom": {"note": f"text {version}"}}
        said = msgspec.json.encode({"campaign": "c1", "leads": [row]})
        found.append(found_in("ottb.v1.evt.campaign.c1.leads_added", said, Person(numbers=frozenset({number}))))
    person = joined(Person(calls=frozenset({"c_1"})), found)
    assert {"Olena Zhuravlivska", "Olena Nightingale"} <= person.names and person.leads and person.calls
    assert len(person.texts | person.names) <= MOST_TEXTS and sum(map(len, person.texts)) <= MOST_BYTES
    assert len(msgspec.json.encode(person)) < 2**20
    assert taken(Traces(person, MARKS), "Bob Mallory, Olena. " * (NOTE // 20)) < FAST
