"""A lead as somebody gives it to the API, as the texts that a row of a file would have. Pure."""

from collections.abc import Mapping

from actors.leads.mapping import CUSTOM
from bus_schemas.lead import GivenLead

_TEXT = {True: "yes", False: "no"}


def texts_of(lead: GivenLead) -> Mapping[str, str]:
    """Its fields, without those that are not given."""
    given = {name: getattr(lead, name) for name in GivenLead.__struct_fields__ if name != "custom"}
    texts = {name: _text(value) for name, value in given.items() if value is not None}
    return texts | {CUSTOM + name: text for name, text in lead.custom.items()}


def _text(value: str | int | bool) -> str:
    return _TEXT[value] if isinstance(value, bool) else str(value)
