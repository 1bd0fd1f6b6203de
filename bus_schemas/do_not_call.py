"""Do-not-call lists: who is not to be called. One list holds for every call (`global`), one for each campaign for its.

An entry is a number, E.164, or a beginning of numbers with its country's code and `*` at its end: `+44843*`. Whatever
way it was written, it is kept as numbers are dialled.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import UNSEEN, GivenTime, HostName, Id, Sought, Username, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action

A = Action
E = ErrorCode

DO_NOT_CALL = Kind("do_not_call", "do_not_call", view=A.DO_NOT_CALL_VIEW)
GLOBAL = "global"
SETTINGS = "settings"  # the name of the list that stands in the settings file
NO_CAMPAIGNS = frozenset({GLOBAL, SETTINGS})  # lists for all calls; others are of the campaign of that id
AT_ONCE = 500  # entries of one request, and of one event
LINES = 200  # of a file that are read in one go

ListId = Annotated[Id, Meta(examples=[GLOBAL, "campaign_001"], description="`global`, or the id of a campaign.")]
Written = Annotated[str, Meta(min_length=1, max_length=100, examples=["+380991230099", "099 123 00 99", "+44843*"])]
Remark = Annotated[
    str, shaped(rf"^[^{UNSEEN}]{{0,200}}$(?!\n)", "a text of at most 200 characters, in one line"),
    Meta(examples=["asked on the phone"]),
]  # fmt: skip
Source = Annotated[str, shaped(rf"^[^{UNSEEN}]{{0,100}}$(?!\n)", "a text of at most 100 characters, in one line")]


class Listed(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One entry. `expires`: from then on it does not hold; null: it holds for ever."""

    entry: str
    reason: Remark = ""
    expires: Utc | None = None


# --- what may be asked --------------------------------------------------------------------------------------------


class AddDoNotCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries for a list, as people write numbers. `source`: where they come from. One that cannot be read refuses all
    of them."""

    list: ListId
    entries: Annotated[tuple[Written, ...], Meta(min_length=1, max_length=AT_ONCE)]
    reason: Remark = ""
    source: Source = "api"
    expires: GivenTime | None = None


class RemoveDoNotCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take entries off a list. Those that are not on it stay off."""

    list: ListId
    entries: Annotated[tuple[Written, ...], Meta(min_length=1, max_length=AT_ONCE)]


class ImportDoNotCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of a file, which is the body."""

    list: ListId


class ReadDoNotCall(Struct, frozen=True, kw_only=True):
    """Lines of a file. `head`: its first line, which may name columns; `first`: the number of the first of these."""

    list: ListId
    head: str
    first: int
    lines: Annotated[tuple[str, ...], Meta(max_length=LINES)]


class ChangeDoNotCall(Struct, frozen=True, kw_only=True):
    """For whoever has the shard: put entries, which have their one form, on a list and take others off."""

    shard: int
    list: ListId
    source: Source
    add: Annotated[tuple[Listed, ...], Meta(max_length=AT_ONCE)] = ()
    remove: Annotated[tuple[str, ...], Meta(max_length=AT_ONCE)] = ()


class CheckDoNotCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a number may not be called: by anybody or, with `list`, also by that campaign."""

    number: Written
    list: ListId | None = None


class FindDoNotCall(Struct, frozen=True, kw_only=True):
    """What is on record of these entries, on whatever list."""

    entries: tuple[str, ...]


class ListDoNotCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries in the order in which they came. `number`: whole, or as it begins. `source`, `by`: from where and by whom
    they came. `removed`: those that were taken off, instead. `format=csv` gives a table, which can be imported."""

    list: ListId | None = None
    number: Sought | None = None
    source: Sought | None = None
    by: Sought | None = None
    removed: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    format: Literal["json", "csv"] = "json"


# --- what is answered ---------------------------------------------------------------------------------------------


class DoNotCallChanged(Struct, frozen=True, kw_only=True):
    """What became of a change. `added` and `removed`: how many; `unchanged`: were so already."""

    list: ListId
    added: int = 0
    removed: int = 0
    unchanged: int = 0


class DoNotCallRead(Struct, frozen=True, kw_only=True):
    """The entries in the lines of a file."""

    entries: tuple[Listed, ...]


class DoNotCallEntry(Struct, frozen=True, kw_only=True):
    """One entry on record. `list`: `settings` for one of the settings file, of which no more is known."""

    list: ListId
    entry: str
    reason: str = ""
    expires: Utc | None = None
    source: str = ""
    by: str = ""
    since: Utc | None = None
    removed: Utc | None = None
    removed_by: str | None = None


class DoNotCallStanding(Struct, frozen=True, kw_only=True):
    """Whether a number may not be called now, and the entries, also those that have expired or were taken off, in which
    it is."""

    number: str
    listed: bool
    entries: list[DoNotCallEntry] = []


ADD_REFUSALS = frozenset({E.NOT_FOUND, E.CONFLICT})

# fmt: off
ADD_DO_NOT_CALL    = Rpc("ottb.v1.cmd.do_not_calls.add",    AddDoNotCall,    DoNotCallChanged,  ADD_REFUSALS,
                         summary="Put numbers on a do-not-call list", permission=A.DO_NOT_CALL_EDIT,
                         audit_fields=("list",), timeout=10.0)
REMOVE_DO_NOT_CALL = Rpc("ottb.v1.cmd.do_not_calls.remove", RemoveDoNotCall, DoNotCallChanged,  frozenset(),
                         summary="Take numbers off a do-not-call list", permission=A.DO_NOT_CALL_EDIT,
                         audit_fields=("list",), timeout=10.0)
IMPORT_DO_NOT_CALL = Rpc("ottb.v1.cmd.do_not_calls.import", ImportDoNotCall, DoNotCallChanged,
                         ADD_REFUSALS, summary="Put the numbers of a file on a do-not-call list",
                         permission=A.DO_NOT_CALL_EDIT, audit_fields=("list",))
CHECK_DO_NOT_CALL  = Rpc("ottb.v1.cmd.do_not_calls.check",  CheckDoNotCall,  DoNotCallStanding, frozenset(),
                         summary="Whether a number may not be called", permission=A.DO_NOT_CALL_VIEW, again=READ_AGAIN)
LIST_DO_NOT_CALL   = Rpc("ottb.v1.qry.do_not_call.list",    ListDoNotCall,   list[DoNotCallEntry], frozenset(),
                         summary="Entries of do-not-call lists", permission=A.DO_NOT_CALL_VIEW)

# Between parts of the platform. PUT_ON_DO_NOT_CALL is ADD for who acts for a user without that right: what an operator
# says of a call puts its number on a list.
PUT_ON_DO_NOT_CALL = Rpc("ottb.v1.cmd.do_not_calls.put",    AddDoNotCall,    DoNotCallChanged,  ADD_REFUSALS,
                         summary="Put numbers on a do-not-call list for somebody", timeout=10.0)
READ_DO_NOT_CALL   = Rpc("ottb.v1.cmd.do_not_calls.read",   ReadDoNotCall,   DoNotCallRead,     frozenset(),
                         summary="Read lines of a do-not-call list")
FIND_DO_NOT_CALL   = Rpc("ottb.v1.qry.do_not_call.find",    FindDoNotCall,   list[DoNotCallEntry], frozenset(),
                         summary="What is on record of entries")
CHANGE_DO_NOT_CALL = Rpc("ottb.v1.cmd.shard.{shard}.change_do_not_call", ChangeDoNotCall, DoNotCallChanged,
                         frozenset({E.CONFLICT}), summary="Change a do-not-call list", timeout=20.0)
# fmt: on


# --- what happens -------------------------------------------------------------------------------------------------


class DoNotCallAdded(Struct, frozen=True, kw_only=True):
    """Entries are on a list. One that was on it already holds as this says."""

    list: ListId
    at: Utc
    by: Username
    source: str
    entries: tuple[Listed, ...]


class DoNotCallRemoved(Struct, frozen=True, kw_only=True):
    """Entries are off a list."""

    list: ListId
    at: Utc
    by: Username
    entries: tuple[str, ...]


class DoNotCallActivated(Struct, frozen=True, kw_only=True):
    """A host owns a list; older owners can no longer write."""

    list: ListId
    at: Utc
    host: HostName
    epoch: int


DoNotCallEvent = DoNotCallAdded | DoNotCallRemoved | DoNotCallActivated

# fmt: off
DO_NOT_CALL_ADDED     = Topic("ottb.v1.evt.do_not_call.{list}.added",     DoNotCallAdded,     "Entries are on a list")
DO_NOT_CALL_REMOVED   = Topic("ottb.v1.evt.do_not_call.{list}.removed",   DoNotCallRemoved,   "Entries are off a list")
DO_NOT_CALL_ACTIVATED = Topic("ottb.v1.evt.do_not_call.{list}.activated", DoNotCallActivated, "A list has a new owner")
# fmt: on

DO_NOT_CALL_NEWS = Subscribable(DO_NOT_CALL, (DO_NOT_CALL_ADDED, DO_NOT_CALL_REMOVED), ("list",))

# --- what live clients are told ------------------------------------------------------------------------------


class DoNotCallUpdate(Struct, frozen=True, kw_only=True):
    """A list has changed. `entries`: how many of them; which ones the list says. `source` with
    `added`."""

    list: ListId
    at: Utc
    change: Literal["added", "removed"]
    by: str
    entries: int
    source: str | UnsetType = UNSET
