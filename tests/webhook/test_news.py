"""What webhooks take from memory is what the journal has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.bus import Recorded
from actors.webhook import news
from actors.webhook.news import Recent
from bus_schemas.contract import kind_of

KINDS = st.sampled_from(["call", "slot", "note"])


def entry(seq: int, kind: str, size: int = 10) -> Recorded:
    return Recorded(subject=f"ottb.v1.evt.{kind}.x.changed", data=b"x" * size, headers={}, seq=seq, at=0.0)


@given(st.lists(st.tuples(KINDS, st.integers(1, 3)), max_size=60), st.integers(0, 200), st.frozensets(KINDS))
def test_all_behind_a_place_or_nothing(said: list[tuple[str, int]], position: int, kinds: frozenset[str]) -> None:
    recent, journal, seq = Recent(10), [], 10
    for kind, gap in said:
        seq += gap
        journal.append(entry(seq, kind))
        recent.add(journal[-1])
    found = recent.after(position, kinds)
    wanted = [one for one in journal if one.seq > position and kind_of(one.subject) in kinds]
    assert found == (wanted if position >= 10 else None)
    for one in journal:
        assert recent.at(one.seq) is one
    assert recent.at(10) is None and recent.at(seq + 1) is None


def test_what_is_in_memory_has_a_bound_and_what_is_gone_is_said() -> None:
    recent = Recent(0)
    for seq in range(1, news.RECENT + 101):
        recent.add(entry(seq, "call"))
    assert recent.behind == 100 and recent.after(99, {"call"}) is None and recent.at(100) is None
    assert len(recent.after(100, {"call"}) or ()) == news.RECENT
    for seq in range(5_000, 5_020):
        recent.add(entry(seq, "call", news.RECENT_BYTES // 10))
    assert len(recent.after(recent.behind, {"call"}) or ()) == 10
    assert sum(map(len, recent._of.values())) == 10


def test_who_wants_what_is_rare_passes_over_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred webhooks that want notes alone look in the same moment, when one comes behind thousands of calls."""
    recent, looked = Recent(0), list[str]()
    for seq in range(1, news.RECENT):
        recent.add(entry(seq, "call"))
    recent.add(entry(news.RECENT, "note"))
    monkeypatch.setattr(news, "_seq", lambda one: looked.append(one.subject) or one.seq)
    monkeypatch.setattr(news, "kind_of", lambda subject: looked.append(subject) or kind_of(subject))
    assert [one.seq for one in recent.after(1, {"note", "slot"}) or ()] == [news.RECENT]
    assert len(looked) < 10
