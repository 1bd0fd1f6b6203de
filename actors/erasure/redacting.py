"""What of an entry of the journal says something of a person, and what stays of it. Pure.

What stays has the form that it had: whoever reads it needs to know of nothing. A lead keeps its place, a
call its times and its end, an entry of a do-not-call list the mark of its number.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.erasure.person import NOTHING_SAID, Person, Traces, telling
from bus_schemas.contract import UNDECODABLE, id_of, kind_of, verb_of

REPLY = "Ottb-Reply"  # what was answered: it is not told a second time
IDS = frozenset({"id", "lead", "leads"})
LEAD_KEEPS = ("id", "priority", "consent")
OF_LEAD: Mapping[str, Any] = {"name": "", "source": "", "timezone": None, "language": None}  # as they are then
SEARCHED = frozenset({"audit", "slot", "webhook", "import", "operator", "do_not_call"})  # where names may stand, too

MERGED, UNMERGED = ("lead_merged", "merged"), ("lead_unmerged", "restored")  # and which field names the other lead
CHANGES = ("lead_changed", MERGED[0], UNMERGED[0])  # of one lead, in the same fields

Said = tuple[bytes, dict[str, str]]
Pair = tuple[str, str, str]  # a campaign, a lead of it, and the one that was merged into that


def found_in(subject: str, data: bytes, known: Person) -> Person:
    """What an entry tells of who somebody is, by the numbers and leads that are known."""
    kind, verb = kind_of(subject), verb_of(subject)
    if kind == "campaign" and verb in ("leads_added", *CHANGES):
        said = _read(data)
        campaign = id_of(subject)
        rows = said.get("leads", ()) if verb == "leads_added" else ({**said, "id": said.get("lead")},)
        return _of_leads(campaign, rows, known)
    if kind == "call" and verb == "dialing":
        said = _read(data)
        if said.get("number") in known.numbers:
            recording = said.get("recording")
            return Person(
                calls=frozenset({said["call_id"]}), recordings=frozenset({recording} if recording else ())
            )
    return Person()


def _of_leads(campaign: str, rows: Any, known: Person) -> Person:
    numbers, leads, texts = set[str](), set[tuple[str, str]](), set[str]()
    for row in rows:
        key, its = (campaign, row["id"]), set(row.get("numbers") or ())
        if key in known.leads or its & known.numbers:
            leads.add(key)
            numbers |= its
            texts.update(telling(row.get("name") or "", row.get("custom") or {}))
    return Person(numbers=frozenset(numbers), leads=frozenset(leads), texts=frozenset(texts))


def pair_in(subject: str, data: bytes) -> Pair | None:
    """Which two leads became one, or two again, by an entry. None: none did."""
    other = dict((MERGED, UNMERGED)).get(verb_of(subject))
    said = _read(data)
    return (id_of(subject), said["lead"], said[other]) if other is not None and other in said else None


def with_merged(person: Person, merged: Mapping[Pair, int], unmerged: Mapping[Pair, int]) -> Person:
    """With the leads that were merged with theirs and are still. `merged`, `unmerged`: where that was said last."""
    leads, more = set(person.leads), True
    pairs = [pair for pair, seq in merged.items() if seq > unmerged.get(pair, 0)]
    while more:
        both = [{(campaign, one), (campaign, other)} for campaign, one, other in pairs]
        found = leads.union(*(pair for pair in both if pair & leads))
        more, leads = found != leads, found
    return replace(person, leads=frozenset(leads))


class Redactor:
    """Goes through the journal from its beginning: which notes are about the person it learns on the way. `counted`:
    how many leads, calls and notes it came by."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._notes = set[str]()

    @property
    def notes(self) -> int:
        return len(self._notes)

    def redacted(self, subject: str, data: bytes, headers: Mapping[str, str]) -> Said | None:
        """What an entry is to say from now on. None: nothing in it is about the person."""
        try:
            said = _read(data)
        except UNDECODABLE:
            return None
        after = self._after(subject, said)
        kept = {name: self._header(name, text) for name, text in headers.items()}
        if after == said and kept == dict(headers):
            return None
        kept.pop(REPLY, None)
        return msgspec.json.encode(after), kept

    def _header(self, name: str, text: str) -> str:
        return text if name != REPLY or not self._traces.shown_in(text) else ""

    def _after(self, subject: str, said: Any) -> Any:
        kind, verb = kind_of(subject), verb_of(subject)
        if kind == "campaign":
            said = self._of_campaign(id_of(subject), verb, said)
        elif kind == "note":
            said = self._of_note(id_of(subject), verb, said)
        elif kind == "operator" and said.get("call_id") in self._traces.person.calls and said.get("note"):
            said = {**said, "note": NOTHING_SAID}
        elif kind == "call" and said.get("call_id") in self._traces.person.calls and said.get("recording"):
            said = {**said, "recording": None}
        elif kind == "do_not_call" and verb == "added":
            entries = [self._of_list(one) for one in said["entries"]]
            said = {**said, "entries": entries}
        after = self._walked(said, kind in SEARCHED)
        return {**after, "erased": True} if kind == "audit" and after != said else after

    def _of_campaign(self, campaign: str, verb: str, said: Any) -> Any:
        leads = self._traces.person.leads
        if verb == "leads_added":
            rows = [self._of_row(row) if (campaign, row["id"]) in leads else row for row in said["leads"]]
            return {**said, "leads": rows}
        named = {(campaign, said[field]) for field in ("lead", "merged", "restored") if field in said}
        if verb not in CHANGES or not named & leads:
            return said
        kept = {**said, **{field: value for field, value in OF_LEAD.items() if field in said}}
        if said.get("custom"):
            kept["custom"] = dict.fromkeys(said["custom"])
        return kept

    def _of_row(self, row: Any) -> Any:
        kept = {field: row[field] for field in LEAD_KEEPS if field in row}
        return {**kept, "numbers": row["numbers"]}  # which become marks with all others

    def _of_note(self, note: str, verb: str, said: Any) -> Any:
        person = self._traces.person
        if said.get("call_id") in person.calls or (said.get("campaign_id"), said.get("lead")) in person.leads:
            self._notes.add(note)
        if note not in self._notes or not said.get("text"):
            return said
        return {**said, "text": NOTHING_SAID, "mentions": []}

    def _of_list(self, entry: Any) -> Any:
        if self._traces.mark(entry["entry"]) is None:
            return entry
        return {field: value for field, value in entry.items() if field != "reason"}

    def _walked(self, said: Any, searched: bool, field: str = "") -> Any:
        """The same without the numbers, wherever they stand."""
        match said:
            case str():
                if field in IDS:
                    return self._traces.id(said)
                return self._traces.without(said) if searched else self._traces.without_number(said)
            case list():
                return [self._walked(one, searched, field) for one in said]
            case dict():
                return {key: self._walked(one, searched, key) for key, one in said.items()}
        return said


def _read(data: bytes) -> Any:
    return msgspec.json.decode(data)
