"""What outside services post: it is signed and not old, or nothing; it is run once; and it says what of it counts."""

import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pipeline.checking import check
from actors.pipeline.language import Definition, Webhook
from actors.pipeline.trigger import at_pointer, delivery_of, wanted
from actors.runtime.signature import sign
from bus_schemas.errors import Refusal
from tests.pipeline.texts import text

SECRET, NOW = "shared-with-the-sender", 1_800_000_000
OURS = Webhook(secret="HOOK")
GITHUB = Webhook(secret="HOOK", signature="github", time="/repository/pushed_at")
PUSH = {"ref": "refs/heads/release/1.2", "deleted": False, "repository": {"pushed_at": NOW - 5},
        "release": {"tag/name": "1.2", "n": [1, {"x": True}]}}  # fmt: skip


def posted(said: Any = None) -> bytes:
    return json.dumps(said if said is not None else {}).encode()


def ours(body: bytes, at: int = NOW, secret: str = SECRET, **more: str) -> dict[str, str]:
    return {"OTTB-Signature": sign([secret], body, at), **more}


def github(body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}", **more}


def definition(more: str = "", steps: str = "") -> Definition:
    checked = check(text(more=more, steps=steps))
    assert checked.definition is not None, checked.problems
    return checked.definition


def test_what_is_signed_is_known_again_and_until_when() -> None:
    body = posted()
    first = delivery_of(OURS, SECRET, body, ours(body, **{"OTTB-Event-Id": "e1"}), NOW)
    again = delivery_of(OURS, SECRET, body, ours(body, **{"OTTB-Event-Id": "e2"}), NOW + 299)
    assert first is not None and again is not None and first.id != again.id
    assert (first.signed, first.until) == (again.signed, "2027-01-15T08:05:00.000Z")
    both = {"OTTB-Signature": sign(["old", SECRET], body, NOW)}
    changed = delivery_of(OURS, SECRET, body, both, NOW)
    assert changed is not None and changed.signed == first.signed  # whatever else stands in the header
    later = delivery_of(OURS, SECRET, body, ours(body, NOW + 1), NOW)
    assert later is not None and later.signed != first.signed


@pytest.mark.parametrize("at", [NOW - 301, NOW + 301, 0])
def test_what_is_too_old_or_of_the_future_is_not_signed(at: int) -> None:
    body = posted()
    assert delivery_of(OURS, SECRET, body, ours(body, at), NOW) is None
    dated = posted({"repository": {"pushed_at": at}})
    assert delivery_of(GITHUB, SECRET, dated, github(dated), NOW) is None


WRONG = [{}, {"OTTB-Signature": ""}, {"OTTB-Signature": "t=1,v1="}, {"OTTB-Signature": f"t={NOW}"},
         {"OTTB-Signature": f"t={NOW},v1={'0' * 64}"}, {"X-Hub-Signature-256": "sha256="}]  # fmt: skip


@pytest.mark.parametrize("headers", WRONG)
def test_what_is_not_signed_is_nothing(headers: dict[str, str]) -> None:
    body = posted(PUSH)
    for hook in (OURS, GITHUB):
        assert delivery_of(hook, SECRET, body, headers, NOW) is None


def test_a_signature_is_of_one_kind_one_secret_and_one_body() -> None:
    body = posted(PUSH)
    assert delivery_of(OURS, SECRET, body, github(body), NOW) is None
    assert delivery_of(GITHUB, SECRET, body, ours(body), NOW) is None
    for hook, headers in ((OURS, ours(body)), (GITHUB, github(body))):
        assert delivery_of(hook, SECRET, body, headers, NOW) is not None
        assert delivery_of(hook, SECRET, body + b" ", headers, NOW) is None
        assert delivery_of(hook, "another", body, headers, NOW) is None


TIMES = [("2027-01-15T08:00:00Z", True), ("2027-01-15T10:00:00+02:00", True), ("2027-01-15T08:00:00", False),
         (str(NOW), False), (None, False), (True, False), (1e300, False), ([NOW], False),
         (float(NOW), True)]  # fmt: skip


@pytest.mark.parametrize(("said", "good"), TIMES, ids=[str(said)[:30] for said, _ in TIMES])
def test_the_time_of_what_github_signs_stands_in_it(said: Any, good: bool) -> None:
    body = posted({"repository": {"pushed_at": said}})
    assert (delivery_of(GITHUB, SECRET, body, github(body), NOW) is not None) is good


REPO = 'repository = "app"\n[params.version]\ndefault = ""\n[params.n]\ntype = "integer"\ndefault = 0\n'


def test_the_documented_body_says_branch_and_parameters() -> None:
    of = definition(REPO)
    found = wanted(OURS, of, posted({"branch": "dev", "parameters": {"version": "1", "n": 2}, "more": 1}))
    assert found is not None and (found.branch, found.parameters) == ("dev", {"version": "1", "n": 2})
    found = wanted(OURS, of, posted({}))
    assert found is not None and (found.branch, found.parameters) == (None, {})


def test_a_mapping_says_where_they_are() -> None:
    hook = Webhook(secret="H", branch="/ref", params={"version": "/release/tag~1name", "n": "/release/n/0"})
    found = wanted(hook, definition(REPO), posted(PUSH))
    assert found is not None and (found.branch, found.parameters) == ("release/1.2", {"version": "1.2", "n": 1})
    found = wanted(hook, definition(REPO), posted({"ref": "refs/tags/v1"}))
    assert found is not None and (found.branch, found.parameters) == ("v1", {})


@pytest.mark.parametrize(("only", "runs"), [
    ({"/ref": ["refs/heads/main"]}, False), ({"/ref": ["refs/heads/release/*"]}, True), ({"/deleted": ["false"]}, True),
    ({"/deleted": ["true", "yes"]}, False), ({"/none": ["*"]}, False), ({"/release": ["*"]}, False),
    ({"/release/n/1/x": ["true"], "/deleted": ["false"]}, True),
])  # fmt: skip
def test_only_what_fits_is_run(only: dict[str, list[str]], runs: bool) -> None:
    hook = Webhook(secret="H", only=only, branch="/ref", params={})
    assert (wanted(hook, definition(REPO), posted(PUSH)) is not None) is runs


@pytest.mark.parametrize("said", [
    b"", b"[", b"\xff", b'{"branch": 1}', b'{"branch": "--upload-pack=x"}', b'{"branch": "refs/heads/-x"}',
    b'{"parameters": []}', b'{"parameters": {"n": [1]}}', b'{"parameters": {"n": 1.5}}', b"[" * 60_000,
])  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_name(said: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        wanted(OURS, definition(REPO), said)
    assert refused.value.code == "INVALID_PARAMS" and (refused.value.details or {})["field"]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3))


@given(said=JSON, pointer=st.text(alphabet="/~01a9-", max_size=12).map(lambda rest: f"/{rest}"))
def test_a_pointer_finds_something_or_nothing(said: Any, pointer: str) -> None:
    at_pointer(said, pointer)


HOOK = '[webhook]\nsecret = "HOOK"\n'
UNFIT = [
    ("github without a time", f'{HOOK}signature = "github"', "signs no time"),
    ("a time that is not needed", f'{HOOK}time = "/at"', "signs no time"),
    ("a branch of none", f'{HOOK}branch = "/ref"', "there is no branch"),
    ("no such parameter", f'{HOOK}params = {{ n = "/n" }}', "no such parameter"),
    ("a parameter that is missing", f"[params.n]\n{HOOK}params = {{}}", "`n` has no default"),
    ("no pointer", f'{HOOK}only = {{ ref = ["x"] }}', "RFC 6901"),
    ("a secret for its name", '[webhook]\nsecret = "x!"', "1 to 64 letters"),
    ("no window", f"{HOOK}window = 1e9", "3600"),
]


@pytest.mark.parametrize(("more", "words"), [one[1:] for one in UNFIT], ids=[one[0] for one in UNFIT])
def test_a_webhook_that_cannot_be_is_refused(more: str, words: str) -> None:
    checked = check(text(more=more))
    assert checked.definition is None and any(words in one.message for one in checked.problems), checked.problems


def test_steps_on_phones_that_begin_by_themselves_have_a_user() -> None:
    phones = '[[steps]]\nname = "a"\ndo = "reboot"\n'
    assert "as_user" in check(text(more=HOOK, steps=phones)).problems[0].message
    assert definition(f'as_user = "ann"\n{HOOK}', phones).webhook is not None
