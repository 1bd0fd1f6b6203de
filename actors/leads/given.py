"""A lead as somebody gives it to the API, as the texts that a row of a file would have. Pure."""

from collections.abc import Mapping

from msgspec import UNSET

from actors.leads.mapping import CUSTOM
from bus_schemas.crm import EditLead
from bus_schemas.lead import GivenLead

NAMED = ("name", "timezone", "priority", "language", "source", "consent")
_TEXT = {True: "yes", False: "no"}


def texts_of(lead: GivenLead) -> Mapping[str, str]:
    """Its fields, without those that are not given."""
    given = {name: getattr(lead, name) for name in GivenLead.__struct_fields__ if name != "custom"}
    texts = {name: _text(value) for name, value in given.items() if value is not None}
    return texts | {CUSTOM + name: text for name, text in lead.custom.items()}


def changes_of(request: EditLead) -> Mapping[str, str]:
    """What a request names of those that are one text each; empty: nothing is known any more."""
    named = {name: getattr(request, name) for name in NAMED}
    return {name: _text("" if value is None else value) for name, value in named.items() if value is not UNSET}


def _text(value: str | int | bool) -> str:
    return _TEXT[value] if isinstance(value, bool) else str(value)
