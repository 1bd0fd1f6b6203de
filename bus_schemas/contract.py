"""How a contract line is written: `Rpc` for what may be asked, `Topic` for what has happened.

A line holds the subject with named fields, the struct that travels, and for an Rpc the reply and the possible
refusals. Gateway, actors, OpenAPI, AsyncAPI and tests all point at the same line. Fields fill the subject's
tokens; a token outside `[A-Za-z0-9_-]{1,64}` is refused, so no client can send a wildcard or an endless subject.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.fields import TOKEN
from bus_schemas.permissions import Access, Action

Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")
Event = TypeVar("Event", bound=Struct)

ROOT = "ottb.v1"
SCHEMA_VERSION = "1"
READ_AGAIN = 0.3  # seconds: most reads take a few milliseconds, and who has to wait for another host begins to notice

# What msgspec raises for bytes that are not JSON, not text, not of the wanted shape, or nested too deep.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# Every answer may say these, so no line repeats them.
ALWAYS_POSSIBLE = frozenset({ErrorCode.INVALID_PARAMS, ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.INTERNAL})

_TOKEN = re.compile(TOKEN)
_FIELD = re.compile(r"\{([a-z_]+)\}")


def token(value: object) -> str:
    """`value` as one subject token. Raises Refusal(INVALID_PARAMS) for anything that is not one."""
    text = str(value)
    if not _TOKEN.match(text):
        raise Refusal(ErrorCode.INVALID_PARAMS, "Identifiers are 1 to 64 characters of A-Z a-z 0-9 _ -.")
    return text


@lru_cache(maxsize=10_000)  # the same ones are asked for again and again
def matches(pattern: str, subject: str) -> bool:
    """NATS subject matching: `*` is one token, `>` all that follow."""
    wanted, given = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(given) > place
        if place >= len(given) or token not in ("*", given[place]):
            return False
    return len(wanted) == len(given)


def id_of(subject: str) -> str:
    """The id of the thing that a subject is about: its last token but one."""
    return subject.rsplit(".", 2)[1]


def verb_of(subject: str) -> str:
    """What a subject says: its last token, what is asked for or what has happened."""
    return subject.rsplit(".", 1)[1]


def kind_of(subject: str) -> str:
    """The kind of thing that a subject is about."""
    return subject.split(".", 4)[3]


def _fill(template: str, thing: Struct) -> str:
    return _FIELD.sub(lambda match: token(getattr(thing, match[1])), template)


@dataclass(frozen=True, eq=False)
class Rpc(Generic[Request, Reply]):
    """Something that may be asked, and what may come back.

    `permission`: what the asker needs; the doors ask for it and whoever answers asks again. None: a line between
    parts of the platform, which no door offers. `asks`: further actions that the answerer looks at. `audit_fields`: the
    fields that name the thing concerned, in the request or in the reply, for the audit (`a.b`: what names an `a` that
    the reply shows whole); `audit_changes`: also the names of those that the request gives beside them, without
    what they are to be.
    `when_full`: it is done also when the journal is nearly full: it ends something, or whoever answers knows best.
    `fallback`: who is asked, with the same body, when nobody owns the thing: the records know whether it never was, is
    over, or has lost its owner for a moment. A line without a field in its subject is for any host.
    `again`: it is asked a second time after so many seconds without an answer, within its `timeout`: who had it may
    have died with it. Only what changes nothing, which a `qry` says by its subject (`asked_again`), or what is done
    once by its command's id however often it comes, also on another host.
    """

    subject: str
    request: type[Request]
    reply: type[Reply]
    refusals: frozenset[ErrorCode] = field(default_factory=frozenset)
    summary: str = ""
    timeout: float = 5.0
    again: float | None = None
    fallback: "AnyRpc | None" = None
    permission: Action | Access | None = None
    asks: frozenset[Action] = frozenset()
    audit_fields: tuple[str, ...] = ()
    audit_changes: bool = False
    when_full: bool = False

    @cached_property
    def needed(self) -> frozenset[Action]:
        """The actions of the asker that the answerer must be told."""
        return self.asks | {self.permission} if isinstance(self.permission, Action) else self.asks

    @cached_property
    def asked_again(self) -> float | None:
        """Seconds after which it is asked a second time. None: never, it may be done twice then."""
        return READ_AGAIN if self.again is None and self.subject.startswith(f"{ROOT}.qry.") else self.again

    @cached_property
    def verb(self) -> str:
        return verb_of(self.subject)

    @property
    def kind(self) -> str:
        """The token that says what kind of thing is asked."""
        return kind_of(self.subject)

    @property
    def pattern(self) -> str:
        """The subject with `*` for each field, for a subscription."""
        return _FIELD.sub("*", self.subject)

    def subject_for(self, request: Request) -> str:
        return _fill(self.subject, request)


AnyRpc = Rpc[Any, Any]  # any: a line of whatever request and reply, as tables and doors hold them


@dataclass(frozen=True, eq=False)
class Topic(Generic[Event]):
    """Something that has happened. Facts are kept; telemetry (`kept=False`) is the last value only."""

    subject: str
    event: type[Event]
    summary: str = ""
    kept: bool = True

    @cached_property
    def verb(self) -> str:
        """The last token: what has happened, in the past tense. Empty: it is telemetry."""
        last = verb_of(self.subject)
        return "" if _FIELD.match(last) else last

    @property
    def kind(self) -> str:
        """The token that says what kind of thing it is about."""
        return kind_of(self.subject)

    @property
    def shape(self) -> tuple[str, str, int, str]:
        """What its subjects have in common, and no other topic's: family, kind, number of tokens and what happened."""
        tokens = self.subject.split(".")
        return tokens[2], tokens[3], len(tokens), self.verb

    @property
    def pattern(self) -> str:
        return _FIELD.sub("*", self.subject)

    def subject_for(self, event: Event) -> str:
        return _fill(self.subject, event)


AnyTopic = Topic[Any]  # any: of whatever event, as tables hold them
