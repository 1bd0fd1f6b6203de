"""Who asks, with which rights, under which ids: what travels in a message's headers beside its body."""

import re
from collections.abc import Mapping

from msgspec import Struct

from bus_schemas.contract import SCHEMA_VERSION
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import SYSTEM, Share, share_of
from bus_schemas.permissions import Access, Action

FRESH_HEADER, AGAIN_HEADER = "Ottb-Fresh", "Ottb-Again"
NO_ACTIONS: frozenset[str] = frozenset()

def not_fresh(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The same headers for what is sent a second time."""
    return {name: value for name, value in headers.items() if name != FRESH_HEADER}


_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")


class Context(Struct, frozen=True, kw_only=True):
    """One request's circumstances. `command_id` comes from the caller: a repeat carries the same one.

    `credential`: what the asker came with, `<kind>:<id>` (`session:s1`, `token:t1`), for POINT and for lists.
    `after`: the asker has seen the journal up to here and must not be answered from before it. `fresh`: the door made
    `command_id` for this request and sends it for the first time, so that nobody need look for an earlier one.
    `again`: an earlier one, under the same key, may have been carried out, and nobody knows what came of it.
    `campaign`: for which something is done, whose do-not-call list then holds too. No door says one.
    """

    command_id: str
    user: str = SYSTEM
    actions: frozenset[str] = frozenset()
    traceparent: str | None = None
    credential: str | None = None
    address: str = ""
    after: int = 0
    fresh: bool = False
    again: bool = False
    campaign: str | None = None

    @property
    def trace_id(self) -> str | None:
        match = _TRACEPARENT.match(self.traceparent or "")
        return match[1] if match else None

    @property
    def session(self) -> str | None:
        """The id of the asker's session, if that is what they came with."""
        kind, _, id = (self.credential or "").partition(":")
        return id if kind == "session" else None

    @property
    def service_token(self) -> str | None:
        """The id of the asker's service token, if that is what they came with."""
        kind, _, id = (self.credential or "").partition(":")
        return id if kind == "token" else None

    @property
    def share(self) -> Share:
        """For whom counts what the asker holds and does."""
        return share_of((self.credential or "").partition(":")[0], self.user)

    def may(self, action: Action) -> bool:
        return action in self.actions

    def must(self, permission: Action | Access | None) -> None:
        """Raise Refusal(PERMISSION_DENIED) unless the asker may do this, where it is an action."""
        if isinstance(permission, Action) and permission not in self.actions:
            raise Refusal(
                ErrorCode.PERMISSION_DENIED, f"This needs the permission {permission}.", permission=permission
            )

    def headers(self) -> dict[str, str]:
        headers = {"Nats-Msg-Id": self.command_id, "Ottb-Schema": SCHEMA_VERSION, "Ottb-User": self.user}
        if self.actions:
            headers["Ottb-Actions"] = ",".join(self.actions)
        if self.traceparent and self.trace_id is not None:  # it is kept with what is put on record, so only what is one
            headers["traceparent"] = self.traceparent
        if self.credential:
            headers["Ottb-Credential"] = self.credential
        if self.address:
            headers["Ottb-Address"] = self.address
        if self.after:
            headers["Ottb-After"] = str(self.after)
        if self.fresh:
            headers[FRESH_HEADER] = "1"
        if self.again:
            headers[AGAIN_HEADER] = "1"
        if self.campaign is not None:
            headers["Ottb-Campaign"] = self.campaign
        return headers

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "Context":
        after = headers.get("Ottb-After", "0")
        return cls(
            command_id=headers.get("Nats-Msg-Id", ""),
            user=headers.get("Ottb-User", ""),
            actions=frozenset(actions.split(",")) if (actions := headers.get("Ottb-Actions")) else NO_ACTIONS,
            traceparent=headers.get("traceparent"),
            credential=headers.get("Ottb-Credential"),
            address=headers.get("Ottb-Address", ""),
            after=int(after) if after.isascii() and after.isdigit() else 0,
            fresh=headers.get(FRESH_HEADER) == "1",
            again=headers.get(AGAIN_HEADER) == "1",
            campaign=headers.get("Ottb-Campaign"),
        )
