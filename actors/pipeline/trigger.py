"""What an outside service posts to have a pipeline run: whether it is signed, which of it counts, and by what it is
known again. Pure."""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from actors.pipeline.globs import fits
from actors.pipeline.language import Definition, Value, Webhook
from actors.runtime.clock import utc
from actors.runtime.signature import EVENT_ID, SIGNATURE, signed_at
from bus_schemas.errors import Refusal, misfit
from bus_schemas.pipeline import Branch
from bus_schemas.pipeline_events import Delivery

GITHUB_SIGNATURE, GITHUB_DELIVERY = "X-Hub-Signature-256", "X-GitHub-Delivery"
BRANCH, PARAMETERS = "/branch", "/parameters"  # where they are unless a definition says otherwise
HEADS = ("refs/heads/", "refs/tags/")  # what stands before branches and tags where git names them in full
_INDEX = re.compile("[0-9]{1,6}")
LONGEST = 1000  # characters that are compared with globs, of which there may be two hundred
HALF = 32  # hexadecimal digits of a SHA-256 that are kept


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be run."""

    branch: str | None
    parameters: Mapping[str, Any]  # any: checked against the definition like what anybody gives


def delivery_of(
    hook: Webhook, secret: str, body: bytes, headers: Mapping[str, str], now: float
) -> Delivery | None:
    """What was posted, where it is signed with the secret and not too old. None: it is not. `now`: seconds since
    1970."""
    if hook.signature == "github":
        at = _github(hook, secret, body, headers.get(GITHUB_SIGNATURE, ""), now)
        signed, id = body, headers.get(GITHUB_DELIVERY)
    else:
        at = signed_at(headers.get(SIGNATURE, ""), secret, body, now, tolerance=hook.window)
        signed, id = b"%d.%s" % (at or 0, body), headers.get(EVENT_ID)
    if at is None:
        return None
    until = utc(datetime.fromtimestamp(at + hook.window, UTC))
    return Delivery(signed=_half(signed), until=until, id=_half(id.encode()) if id else None)


def _github(hook: Webhook, secret: str, body: bytes, header: str, now: float) -> float | None:
    """The time in the body, which is signed as a whole."""
    right = f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}".encode()
    if not hmac.compare_digest(header.encode(), right) or hook.time is None:
        return None
    try:
        at = _seconds(at_pointer(_json(body), hook.time))
    except Refusal:
        return None
    return at if at is not None and abs(now - at) <= hook.window else None


def wanted(hook: Webhook, definition: Definition, body: bytes) -> Wanted | None:
    """What is to be run; None: nothing, for such as this. Raises Refusal(INVALID_PARAMS)."""
    said = _json(body)
    if not isinstance(said, dict):
        raise misfit("body", "an object is expected.")
    if not all(_fits(at_pointer(said, where), globs) for where, globs in hook.only.items()):
        return None
    branch = at_pointer(said, hook.branch or BRANCH)
    if branch is not None:
        branch = _branch(branch)
    return Wanted(branch=branch, parameters=_parameters(hook, definition, said))


def at_pointer(said: Any, pointer: str) -> Any:  # any: JSON
    """What is there (RFC 6901). None: null, or nothing."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(said, dict):
            said = said.get(name)
        elif isinstance(said, list) and _INDEX.fullmatch(name) and int(name) < len(said):
            said = said[int(name)]
        else:
            return None
    return said


def _parameters(hook: Webhook, definition: Definition, said: Any) -> dict[str, Value]:
    if hook.params is not None:
        found = {name: at_pointer(said, where) for name, where in hook.params.items()}
    else:
        found = at_pointer(said, PARAMETERS)
        if found is not None and not isinstance(found, dict):
            raise misfit("parameters", "an object is expected.")
    return {name: _value(name, value) for name, value in (found or {}).items() if value is not None}


def _value(name: str, value: Any) -> Value:
    if not isinstance(value, str | int | bool):
        raise misfit(f"parameters.{name[:100]}", "a text, a whole number, true or false is expected.")
    return value


def _branch(said: Any) -> str:
    name = next((said[len(head) :] for head in HEADS if said.startswith(head)), said) if isinstance(said, str) else said
    try:
        return msgspec.convert(name, Branch)
    except msgspec.ValidationError:
        raise misfit("branch", "a branch or tag like `main` or `release/1.2` is expected.") from None


def _fits(value: Any, globs: list[str]) -> bool:
    if value is None or isinstance(value, dict | list):
        return False
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return len(text) <= LONGEST and any(fits(glob, text) for glob in globs)


def _seconds(said: Any) -> float | None:
    """A time as such services write it: seconds since 1970, or a text of RFC 3339."""
    if isinstance(said, bool):
        return None
    if isinstance(said, int | float):
        return float(said) if 0 <= said < 1e11 else None
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return at.timestamp() if at is not None and at.tzinfo is not None else None


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise misfit("body", "it is no JSON.") from None


def _half(said: bytes) -> str:
    return sha256(said).hexdigest()[:HALF]
