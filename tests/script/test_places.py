"""Where the values of a TOML file stand."""

import re
import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.script.places import Path, place, places
from tests.support.depth import examples

TEXT = '''# a comment with = and [
name = "x # no comment"   # one
"quoted key" = 'it''s'
a.b . "c d" = 1
several = [ 1, # a comment, with ]
  "two, ]", ["in", { deep = true, more = [1,2] }],
]
long = """
a "quote" \\""" = [no]
"""
raw = \'\'\'
[table]
'\'\'\'

[params.number]
type = "phone"
"key \\u00e9" = 1979-05-27T07:32:00Z

[[steps]]
do = "tap"
on = { text = "a", below = {id = "b"} }
  [[steps.then]]
  do = "key"
  [[steps.then]]
  do = "wait"

[[steps]]
do = "if"
[steps.when]
value = ""
[[steps.then]]
do = "x"
'''.replace("'it''s'", "'its'").replace("'\\'\\'\\'", "'''")


def ways(value: Any, path: Path = ()) -> list[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(way for name, one in inner for way in ways(one, (*path, name)))]


def test_every_value_has_its_place() -> None:
    known = places(TEXT).all()
    assert set(ways(tomllib.loads(TEXT))) == known.keys()
    lines = TEXT.splitlines()

    def at(*path: str | int) -> str:
        line, column = place(known[path], TEXT)
        return lines[line - 1][column - 1 :]

    assert at("name").startswith('name = "x')
    assert at("a", "b", "c d").startswith("a.b")
    assert at("several", 1).startswith('"two, ]"') and at("several", 2, 1, "more", 1).startswith("2]")
    assert at("params", "number", "type") == 'type = "phone"'
    assert at("params", "number", "key é").startswith('"key \\u00e9"')
    assert at("steps", 0, "on", "below", "id") == 'id = "b"} }'
    assert at("steps", 0, "then", 1, "do") == 'do = "wait"' and at("steps", 1, "then", 0, "do") == 'do = "x"'
    assert at("steps", 1, "when", "value") == 'value = ""'
    assert place(known[("steps", 1)], TEXT) == (TEXT[: TEXT.rindex("[[steps]]")].count("\n") + 1, 1)


def test_what_is_missing_is_missed_in_its_table() -> None:
    known = places(TEXT)
    assert known.nearest(("steps", 1, "on", "text")) == known.all()[("steps", 1)]
    assert known.nearest(("nothing",)) == 0


KEYS = st.sampled_from(["a", "b-c", '"d e"', "'f'", "1", "g.h", 'i."j k"'])
SCALARS = st.sampled_from(
    ["1", "-2.5", "true", '"x"', '"a\\"b, ]"', "'#'", '""', "''", '"""m\n#"x"""', '""""q""""', "'''l\n='''",
     "1979-05-27", "inf"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4).map(lambda many: "[" + ",\n # x ]\n".join(many) + "]")
    | st.lists(inner, max_size=3).map(lambda many: "{" + ", ".join(f"k{n} = {v}" for n, v in enumerate(many)) + "}"),
    max_leaves=8,
)
LINES = st.one_of(
    st.builds("{} = {}".format, KEYS, VALUES), KEYS.map("[{}]".format), KEYS.map("[[{}]]".format), st.just("# [c]\n")
)


@settings(max_examples=examples(600), deadline=None)
@given(lines=st.lists(LINES, max_size=8))
def test_whatever_is_read_has_a_place(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    known = places(text).all()
    assert set(ways(said)) == known.keys(), text
    for path, offset in known.items():
        if path and isinstance(path[-1], str):
            assert re.match(r"\[|[\"'A-Za-z0-9]", text[offset]), (path, text)
