"""Whoever changes a lead all night has each change be redacted once that person is erased. Who reads the journal later
on, a piece at a time, does not look at all of these for each piece."""

import time
from types import SimpleNamespace
from typing import Any

from actors.adapters.nats_redactions import KEPT, Redactions

CHANGES, PIECES, PIECE = 200_000, 100, 256
SECONDS = 0.5  # of the processor for all pieces; 0.01 were measured, where it had been 1.2
SCOPE = "ottb.v1.evt.campaign.>"


def knowing(*seqs: int) -> Redactions:
    link: Any = SimpleNamespace(connections=1, up=True)
    found = Redactions(link, link)
    found._known = 1
    for seq in seqs:
        found._note(f"{KEPT}{seq}.ottb.v1.evt.campaign.c1.lead_changed")
    return found


async def test_a_piece_of_the_journal_takes_as_long_however_much_was_redacted() -> None:
    found = knowing(*range(1, CHANGES + 1))
    began = time.process_time()
    for place in range(PIECES):
        after = place * PIECE
        assert len(await found.under(SCOPE, after=after, before=after + PIECE + 1)) == PIECE
    took = time.process_time() - began
    print(f"{PIECES} pieces of a journal with {CHANGES:,} redactions: {took:.2f} s")
    assert took < SECONDS


async def test_they_are_told_in_order_however_they_came() -> None:
    found = knowing(7, 3, 9, 1)
    found._note(f"{KEPT}5.ottb.v1.evt.call.slot-11.c_1.dialing")
    assert await found.under(">") == [1, 3, 5, 7, 9] and await found.under(SCOPE, after=1, before=9) == [3, 7]
    assert await found.under("ottb.v1.evt.call.>") == [5] and await found.under("ottb.v1.evt.slot.>") == []
