"""Whoever words a lead, or gives it a number, chooses what is sought for when that person is erased, in each text that
there is, and others of the host wait meanwhile."""

import time

import pytest

from actors.erasure.person import NOTHING_SAID, Person, Traces, in_full, telling
from actors.erasure.sought import Sought
from actors.runtime.marks import Marks

LONG, NOTE = 64 * 1024, 4 * 1024  # characters of a text: what a shell command has printed, and what somebody writes
WORDED = {  # names, and what words with which a text is filled for them
    "letters": (" ".join([*"a" * 98, "zz"]), "a "),
    "pairs": (" ".join([*["ab"] * 65, "zz"]), "ab "),
    "marks": (" ".join([*["a_"] * 60, "zz"]), "a_ "),
    "wide": ("aa zz", "aa" + " " * 4_000),
    "dots": ("a.a zz", "a." * 5),
}
FIELDS = {"spread": " ".join([*"a" * 490, "1zz"]), "street": " ".join([*["ab"] * 300, "1zz"])}
MANY = 100  # numbers, as of many leads that are one
MOST = 1.0  # seconds of the processor


def _traces(name: str) -> Traces:
    names = frozenset(in_full(name))
    return Traces(Person(numbers=frozenset({"+380683212010"}), texts=frozenset(telling(name, FIELDS)), names=names),
                  Marks(b"key"))  # fmt: skip


@pytest.mark.parametrize("worded", WORDED)
def test_no_wording_of_a_lead_takes_long_to_be_sought(worded: str) -> None:
    name, filling = WORDED[worded]
    text = (filling * LONG)[:LONG]
    began = time.process_time()
    traces = _traces(name)
    assert not traces.shown_in(text) and not traces.named(text)
    assert traces.without(f"{text} {name}, {text}").count(NOTHING_SAID) == 1
    took = time.process_time() - began
    print(f"{worded}: a name of {len(name)} letters in texts of {LONG:,}: {took:.2f} s")
    assert took < MOST


@pytest.mark.parametrize("filling", ["%22", "2%22", "&#22;", "%2222", "2     ", "\\n2", "%c2%a02"])
def test_no_number_takes_long_to_be_sought_in_what_may_be_signs(filling: str) -> None:
    numbers = [*(f"+49{'2' * digits}3" for digits in (10, 11, 12)), *(f"+492222222{end:03}223" for end in range(MANY))]
    text = (filling * LONG)[:NOTE]
    began = time.process_time()
    traces = Traces(Person(numbers=frozenset(numbers)), Marks(b"key"))
    assert not traces.numbered(f"{text}x3") and traces.numbered(f"{text}x tel {numbers[0]}")
    took = time.process_time() - began
    print(f"{len(numbers)} numbers in {NOTE:,} characters of {filling}: {took:.2f} s")
    assert took < MOST


def test_of_numbers_that_begin_alike_each_is_found() -> None:
    both = Traces(Person(numbers=frozenset({"+4922222222222", "+49222222222223"})), Marks(b"key"))
    for number in both.person.numbers:
        assert both.numbered(f"tel {number}.") and both.without(f"tel {number}!") == f"tel {NOTHING_SAID}!"
        assert both.without(f"tel {'-'.join(number)}!") == f"tel {NOTHING_SAID}!"


@pytest.mark.parametrize(("text", "left"), [
    ("ann bee ann bee cox rang", "ann bee - rang"), ("ann ann bee cox", "ann -"), ("bee ann bee cox dan", "bee -"),
    ("Ann-Bee X. Cox, ann bee", "-, ann bee"), ("ann bee x y cox", "ann bee x y cox"),
    ("eve fox eve fox eve gil", "eve fox -"),
])  # fmt: skip
def test_a_name_is_found_wherever_it_begins(text: str, left: str) -> None:
    assert Sought(["Ann Bee Cox", "Cox Dan", "Eve Fox Eve Gil"]).without(text, "-") == left
