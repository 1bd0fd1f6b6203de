"""What of an entry of the journal says something of a person, and what stays of it. Pure.

What stays has the form that it had: whoever reads it needs to know of nothing. A lead keeps its place, a
call its times and its end, an entry of a do-not-call list the mark of its number. Only fields that can say something of
a person are changed (`bus_schemas/personal.py`), and what is no event of its kind afterwards is not written.
"""

import re
from collections.abc import Container, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.erasure.parted import NONE_PARTED, LeadKey, Numbered, Pair, Parted
from actors.erasure.person import NOTHING_SAID, Person, Traces, in_full, telling
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import UNDECODABLE, AnyTopic, id_of, kind_of, matches, verb_of
from bus_schemas.personal import EACH, PERSONAL, Holds
from bus_schemas.pipeline_events import PIPELINE_DEFINED, PIPELINE_QUEUED

REPLY = "Ottb-Reply"  # what was answered: it is not told a second time
LEAD_KEEPS = ("id", "priority", "consent")
OF_LEAD: Mapping[str, Any] = {"name": "", "source": "", "timezone": None, "language": None}  # as they are then
SHOW_LEADS = frozenset({"campaign", "note"})  # kinds of which answers say a lead's name
OF_IMPORT = "import_id"  # in what the audit says of one: its `name` is a file's
SOUGHT = re.compile(r'''(?<="text":")(?:[^"\\]|\\.)*''')  # in a filter of leads, as the audit has it: JSON, perhaps cut

MERGED, UNMERGED = ("lead_merged", "merged"), ("lead_unmerged", "restored")  # and which field names the other lead
CHANGES = ("lead_changed", MERGED[0], UNMERGED[0])  # of one lead, in the same fields

Said = tuple[bytes, dict[str, str]]
Tree = Mapping[str, Any]  # any: a Holds, or a tree again


def found_in(subject: str, data: bytes, known: Person, parted: Parted = NONE_PARTED, seq: int = 0) -> Person:
    """What an entry tells of who somebody is, by the numbers and leads that are known. `parted`: leads that were theirs
    for a while; `seq`: the entry's place."""
    kind, verb = kind_of(subject), verb_of(subject)
    if kind == "campaign" and verb in ("leads_added", *CHANGES):
        gained = verb == MERGED[0] and pair_in(subject, data) in parted.pairs
        return _of_leads(subject, data, known, parted, seq, gained=gained)
    if kind == "call" and verb == "dialing":
        said = _read(data)
        if said.get("number") in known.numbers:
            recording = said.get("recording")
            return Person(
                calls=frozenset({said["call_id"]}), recordings=frozenset({recording} if recording else ())
            )
    return Person()


def _rows(subject: str, data: bytes) -> Iterator[tuple[LeadKey, Any]]:
    """What an entry of a campaign says of leads."""
    campaign, said = id_of(subject), _read(data)
    if verb_of(subject) == "leads_added":
        yield from (((campaign, row["id"]), row) for row in said.get("leads", ()))
    elif "lead" in said:
        yield (campaign, said["lead"]), said


def numbers_in(subject: str, data: bytes, seq: int) -> Iterator[Numbered]:
    """The numbers that an entry of a campaign says of leads."""
    for key, row in _rows(subject, data):
        yield key, seq, frozenset(row.get("numbers") or ())


def _of_leads(subject: str, data: bytes, known: Person, parted: Parted, seq: int, *, gained: bool) -> Person:
    """`gained`: what is said was another one's, and is again."""
    numbers, leads, texts, names = set[str](), set[LeadKey](), set[str](), set[str]()
    for key, row in _rows(subject, data):
        its = parted.own(key, seq, set(row.get("numbers") or ()))
        if key in known.leads or its & known.numbers:
            leads.add(key)
            numbers |= its
            if not gained:
                texts.update(telling(row.get("name") or "", row.get("custom") or {}))
                names.update(in_full(row.get("name") or ""))
    return Person(
        numbers=frozenset(numbers), leads=frozenset(leads), texts=frozenset(texts), names=frozenset(names)
    )


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


KEEP_TEXTS = ("pipeline", "webhook", "alert")  # kinds whose actors keep what people write, also in their snapshots


class Redactor:
    """Goes through the journal from its beginning: which notes are about the person it learns on the way. `notes`: how
    many it came by; `stale`: whose actors, each as kind and id, may keep what was erased, also before. `left`: entries
    that say a number where nothing is changed, or could not be changed, and of pipelines also those that say a name.
    `former`: definitions of these, each as pipeline and version, that nobody runs any more; `going`: runs, each as
    pipeline and run, whose parameters are to stay, since they are under way."""

    def __init__(
        self, traces: Traces, *, former: Container[tuple[int, int]] = (), going: Container[tuple[int, int]] = ()
    ) -> None:
        self._traces = traces
        self._former = former
        self._going = going
        self._notes = set[str]()
        self._nothing = NOTHING_SAID
        self._erased = [text.encode() for text in (NOTHING_SAID, *traces.marks.values())]
        self.stale = set[tuple[str, str]]()
        self.left = 0

    @property
    def notes(self) -> int:
        return len(self._notes)

    def redacted(self, subject: str, data: bytes, headers: Mapping[str, str]) -> Said | None:
        """What an entry is to say from now on. None: nothing in it is about the person, or nothing can be changed."""
        after = self._event(subject, data)
        self.left += after is None or self._still_said(subject, after)
        after = data if after is None else after
        if (kind := kind_of(subject)) in KEEP_TEXTS and any(text in after for text in self._erased):
            self.stale.add((kind, id_of(subject)))
        told = headers.get(REPLY)
        if after == data and (told is None or not self._tells(kind_of(subject), told)):
            return None
        return after, {name: text for name, text in headers.items() if name != REPLY}

    def _tells(self, kind: str, reply: str) -> bool:
        return self._traces.shown_in(reply) if kind in SHOW_LEADS else self._traces.numbered(reply)

    def _event(self, subject: str, data: bytes) -> bytes | None:
        """The event as it is to be; the same bytes where it is to stay. None: it should be another one, and cannot."""
        topic = topic_of(subject)
        if topic is None or not _is(topic, data):
            return data  # of another version: nobody here knows what is what in it
        try:
            said, text = _read(data), data.decode()
        except UNDECODABLE:  # what no version looks at
            return data
        tree = _tree(topic) if _has_texts(topic) or self._traces.may_tell(text) else {}
        for nothing in (NOTHING_SAID, ""):  # a text that is full has no place for the first
            self._nothing = nothing
            after = self._after(topic, subject, said, tree)
            if after == said:
                return data
            if _is(topic, encoded := msgspec.json.encode(after)):
                return encoded
        return None

    def _still_said(self, subject: str, data: bytes) -> bool:
        text = data.decode(errors="replace")
        named = any(matches(topic.pattern, subject) for topic in (PIPELINE_DEFINED, PIPELINE_QUEUED))
        if not named and not self._traces.numbered(text):
            return False
        try:
            said = [*texts_in(_read(data))]
        except UNDECODABLE:
            return self._traces.numbered(text)
        return any(map(self._traces.numbered, said)) or (named and any(map(self._traces.named, said)))

    def _after(self, topic: AnyTopic, subject: str, said: Any, tree: Tree) -> Any:
        kind, verb = topic.kind, topic.verb
        if kind == "campaign":
            said = self._of_campaign(id_of(subject), verb, said)
        elif kind == "note":
            said = self._of_note(id_of(subject), verb, said)
        elif kind == "operator" and said.get("call_id") in self._traces.person.calls and said.get("note"):
            said = {**said, "note": self._nothing}
        elif kind == "call" and said.get("call_id") in self._traces.person.calls and said.get("recording"):
            said = {**said, "recording": None}
        elif kind == "do_not_call" and verb == "added":
            said = {**said, "entries": [self._of_list(one) for one in said["entries"]]}
        elif topic is PIPELINE_DEFINED and (said["pipeline"], said["version"]) in self._former:
            said = {**said, "text": self._traces.without(said["text"], self._nothing)}
        elif topic is PIPELINE_QUEUED and (said["pipeline"], said["run"]) in self._going:
            return said
        elif kind == "audit":
            return self._of_audit(said, tree)
        return self._walked(said, tree) if tree else said

    def _of_audit(self, said: Any, tree: Tree) -> Any:
        entries = [{**one, "subject": self._of_deed(one["subject"])} if "subject" in one else one
                   for one in said["entries"]]  # fmt: skip
        after = self._walked({**said, "entries": entries}, tree)
        return {**after, "erased": True} if after != said else said

    def _of_deed(self, subject: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without names in what a person of the site has written: words that were sought, how a file was called."""
        after = dict(subject)
        if isinstance(sought := subject.get("filter"), str):
            after["filter"] = SOUGHT.sub(lambda found: self._traces.without(found[0], self._nothing), sought)
        if OF_IMPORT in subject and isinstance(name := subject.get("name"), str):
            after["name"] = self._traces.without(name, self._nothing)
        return after

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
        return {**said, "text": self._nothing, "mentions": []}

    def _of_list(self, entry: Any) -> Any:
        if self._traces.mark(entry["entry"]) is None:
            return entry
        return {field: value for field, value in entry.items() if field != "reason"}

    def _walked(self, said: Any, where: Any) -> Any:
        """The same without what its fields say of the person. `where`: which fields can, a Tree, or what one holds."""
        match said, where:
            case str(), Holds.LEAD:
                return self._traces.id(said)
            case str(), Holds.NUMBER:
                return self._traces.without_number(said, self._nothing)
            case str(), Holds.TEXT:
                return self._traces.without(said, self._nothing)
            case int(), Holds.TEXT | Holds.NUMBER if self._traces.numbered(str(said)):
                return self._nothing
            case list(), {"*": each}:
                return [self._walked(one, each) for one in said]
            case dict(), Mapping():
                return {key: self._walked(one, where.get(key, where.get(EACH))) for key, one in said.items()}
        return said


@cache
def _tree(topic: AnyTopic) -> Tree:
    """The fields of a topic's events that can say something of a person."""
    tree: dict[str, Any] = {}
    for path, holds in PERSONAL.get(topic, {}).items():
        *parts, last = path.split(".")
        place = tree
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = holds
    return tree


@cache
def _has_texts(topic: AnyTopic) -> bool:
    return Holds.TEXT in PERSONAL.get(topic, {}).values()


@cache
def _decoder(topic: AnyTopic) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(topic.event)


def _is(topic: AnyTopic, data: bytes) -> bool:
    """Whether this is an event of a topic."""
    try:
        _decoder(topic).decode(data)
    except UNDECODABLE:
        return False
    return True


def texts_in(said: Any) -> Iterator[str]:
    """All texts that JSON has, also the names of fields; and its whole numbers."""
    match said:
        case str():
            yield said
        case int() if not isinstance(said, bool):
            yield str(said)
        case list():
            for one in said:
                yield from texts_in(one)
        case dict():
            for key, one in said.items():
                yield key
                yield from texts_in(one)


def _read(data: bytes) -> Any:
    return msgspec.json.decode(data)
