"""A webhook's machine."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.log.harmless import harmless
from actors.runtime.decision import Decision
from actors.runtime.digest import must_be_digestible
from actors.webhook import machine
from actors.webhook.courier import LONGEST_ERROR, fitting
from actors.webhook.machine import Deliver, Forget, Lent, Look, Progress, Stop, Unusable
from actors.webhook.queue import Item
from actors.webhook.record import Webhook, evolve, key_of, name_in, view
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.webhook import (
    LONGEST_RESPONSE,
    OVER,
    WEBHOOK_ADVANCED,
    ChangeWebhook,
    CreateWebhook,
    DeliveryStatus,
    DisabledReason,
    Try,
    WebhookAdvanced,
    WebhookDisabled,
)
from tests.support.states import at

S = DeliveryStatus
WANTED = CreateWebhook(url="https://example.com/", events=("call.*",))
MINE = Lent("connection:op12", 0)
TOKEN = Lent("token:t1", 0)
DAY = 86400.0


def after(webhook: Webhook | None, decision: Decision[Any, Any]) -> Webhook:
    for event in decision.events:
        webhook = evolve(webhook, event)
    assert webhook is not None
    return webhook


def made() -> Webhook:
    return after(None, machine.create("wh_1", WANTED, "op12", MINE, 100, at(0)))


def tried(n: int, status: DeliveryStatus = S.DELIVERED, when: int = 1, attempts: int = 1) -> Try:
    return Try(n=n, seq=100 + n, about="call.slot-44.c_1.ended", status=status, attempts=attempts, began=at(when).at,
               tried=at(when).at)  # fmt: skip


def progress(*tries: Try, position: int = 200, waiting: int = 0) -> Progress:
    return Progress(courier=1, position=position, tries=tries, waiting=waiting)


def change(webhook: Webhook, user: str = "op12", lent: Lent = MINE, **given: Any) -> Any:
    return machine.change(webhook, ChangeWebhook(webhook="wh_1", **given), user, lent, 500, at(1))


def test_what_an_event_is_about_and_called() -> None:
    for about in ("call.slot-44.c_1.ended", "call.trunk-main.c_1.ended"):
        assert (key_of(about), name_in(about)) == ("call.c_1", "call.ended")
    assert (key_of("slot.44.linked"), name_in("slot.44.linked")) == ("slot.44", "slot.linked")


def test_a_new_one_delivers_and_so_does_its_next_owner() -> None:
    webhook = made()
    assert view(webhook).enabled and webhook.position == 100
    assert machine.resume(webhook).effects == (Deliver(),)
    assert machine.resume(None).effects == ()
    off = after(webhook, change(webhook, enabled=False))
    assert machine.resume(off).effects == ()
    assert machine.resume(after(webhook, machine.delete(webhook, "op12", at(1)))).effects == (Forget(),)


@given(st.lists(st.tuples(st.integers(1, 8), st.sampled_from(S)), max_size=30))
def test_what_is_on_record_as_waiting_is_what_is_not_over(tries: list[tuple[int, S]]) -> None:
    webhook, last = made(), dict[int, S]()
    for number, (n, status) in enumerate(tries):
        webhook = after(
            webhook,
            machine.advance(webhook, progress(tried(n, status), position=200 + number), at(2), disable_after=DAY),
        )
        last[n] = status
    assert set(webhook.waiting) == {n for n, status in last.items() if status not in OVER}
    assert webhook.count == max(last, default=0)
    assert webhook.position == (199 + len(tries) if tries else 100)


def test_a_position_never_goes_back() -> None:
    webhook = after(made(), machine.advance(made(), progress(position=300), at(1), disable_after=DAY))
    assert after(webhook, machine.advance(webhook, progress(position=150), at(2), disable_after=DAY)).position == 300


def test_days_of_failures_switch_it_off_and_one_arrival_begins_anew() -> None:
    webhook = made()
    fails = progress(tried(1, S.RETRYING, when=10))
    webhook = after(webhook, machine.advance(webhook, fails, at(10), disable_after=100))
    assert webhook.failing_since == at(10).at and webhook.enabled
    nearly = machine.advance(webhook, progress(tried(1, S.RETRYING, when=109)), at(109), disable_after=100)
    assert nearly.effects == () and after(webhook, nearly).failing_since == at(10).at
    over = machine.advance(webhook, progress(tried(1, S.FAILED, when=110)), at(110), disable_after=100)
    assert over.effects == (Stop(),)
    assert over.events[-1] == WebhookDisabled(
        webhook="wh_1", at=at(110).at, user="op12", reason=DisabledReason.FAILING
    )
    well = progress(tried(2, S.DELIVERED, when=110), tried(1, S.FAILED, when=105))
    decision = machine.advance(webhook, well, at(110), disable_after=100)
    assert len(decision.events) == 1 and after(webhook, decision).failing_since is None


def test_who_is_withheld_something_does_not_fail() -> None:
    webhook = after(made(), machine.advance(made(), progress(tried(1, S.WITHHELD)), at(1), disable_after=DAY))
    assert webhook.failing_since is None and webhook.waiting == {}


def test_what_is_switched_off_says_no_more() -> None:
    off = after(made(), change(made(), enabled=False))
    assert machine.advance(off, progress(tried(1)), at(2), disable_after=DAY).events == ()
    assert machine.unusable(off, DisabledReason.GONE, at(2)).events == ()
    gone = machine.unusable(made(), Unusable(DisabledReason.GONE).reason, at(2))
    assert after(made(), gone).reason is DisabledReason.GONE and gone.effects == (Stop(),)


def test_switched_on_again_it_begins_with_what_comes() -> None:
    webhook = after(made(), machine.advance(made(), progress(tried(1, S.RETRYING)), at(1), disable_after=DAY))
    off = after(webhook, machine.unusable(webhook, DisabledReason.GONE, at(2)))
    on = change(off, enabled=True)
    again = after(off, on)
    assert on.effects == (Deliver(),)
    assert (again.enabled, again.reason, again.failing_since, again.waiting) == (True, None, None, {})
    assert again.position == 500 and again.count == 1  # numbers go on


def test_changes_take_what_is_given_and_nothing_else() -> None:
    webhook = made()
    decision = change(webhook, events=("slot.*",), description="x")
    changed = after(webhook, decision)
    assert decision.effects == (Look(),)
    assert (changed.events, changed.description, changed.url) == (("slot.*",), "x", webhook.url)
    for nothing in ({}, {"enabled": True}, {"url": webhook.url}, {"events": ("call.*",)}):
        assert change(webhook, **nothing).events == (), nothing
    off = after(webhook, change(webhook, enabled=False))
    assert change(off, enabled=False).events == ()


def test_whoever_changes_it_lends_it_their_rights() -> None:
    webhook = made()
    assert after(webhook, change(webhook, lent=TOKEN, url="https://other.example/")).lent == "token:t1"
    assert after(webhook, change(webhook, lent=TOKEN, enabled=True)).lent == "token:t1"
    assert after(webhook, change(webhook, lent=TOKEN, enabled=False)).lent == "connection:op12"


def test_of_others_one_is_only_switched_off_or_deleted() -> None:
    webhook = made()
    off = change(webhook, user="boss", lent=Lent("connection:boss", 0), enabled=False)
    assert after(webhook, off).lent == "connection:op12" and not after(webhook, off).enabled
    for more in ({"enabled": True}, {"url": "https://evil.example/"}, {"enabled": False, "events": ("slot.*",)}, {}):
        with pytest.raises(Refusal) as refused:
            change(webhook, user="boss", **more)
        assert refused.value.code is ErrorCode.PERMISSION_DENIED, more
    with pytest.raises(Refusal):
        machine.must_be_of(webhook, "boss")
    assert after(webhook, machine.delete(webhook, "boss", at(1))).deleted


def test_since_is_for_what_is_switched_on() -> None:
    off = after(made(), change(made(), enabled=False))
    assert after(off, change(off, enabled=True, since=500)).position == 500
    for webhook, given_ in ((made(), {"since": 1}), (made(), {"since": 1, "enabled": True}), (off, {"since": 1})):
        with pytest.raises(Refusal) as refused:
            change(webhook, **given_)
        assert refused.value.code is ErrorCode.CONFLICT


def test_a_repeat_is_one_more_delivery() -> None:
    webhook = made()
    item = Item(n=9, seq=50, about="call.slot-44.c_1.ended", key="call.c_1")
    [event] = machine.redeliver(webhook, item, 1, at(1)).events
    assert isinstance(event, WebhookAdvanced) and event.position == 100
    assert after(webhook, Decision(events=(event,))).waiting[9].seq == 50
    with pytest.raises(Refusal):
        machine.redeliver(after(webhook, change(webhook, enabled=False)), item, 1, at(1))


@pytest.mark.parametrize("sign", ["x", "\0", '"', "\u4e16", "\U0001f600"])
def test_whatever_a_quick_receiver_says_is_told_in_one_event(sign: str) -> None:
    """And the first of it as it was. What cannot be told would be posted again on end."""
    response = harmless((sign * LONGEST_RESPONSE).encode()[:LONGEST_RESPONSE].decode(errors="replace"))
    tries = [replace(tried(n), response=response, error="x" * LONGEST_ERROR, ms=10_000) for n in range(1, 1_001)]
    told = fitting(tries)
    assert [(one.n, one.status) for one in told] == [(one.n, one.status) for one in tries]
    assert told[:100] == tuple(tries[:100]) and told[-1].response == ""
    [event] = machine.advance(made(), progress(*told), at(1), disable_after=DAY).events
    must_be_digestible(WEBHOOK_ADVANCED, event)
    assert fitting(tries[:100]) == tuple(tries[:100])
