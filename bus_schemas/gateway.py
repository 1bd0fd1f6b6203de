"""Gateways among themselves: what one may ask another by its name."""

from msgspec import Struct

from bus_schemas.contract import Rpc
from bus_schemas.fields import Id


class IsRunning(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a gateway still works on a request that it put on record. `gateway`: its name, new with each start;
    `nonce`: of the record."""

    gateway: Id
    nonce: str


class Running(Struct, frozen=True, kw_only=True):
    """No: then nobody does, and whoever asks may carry on."""

    running: bool


# fmt: off
IS_RUNNING = Rpc("ottb.v1.cmd.gateway.{gateway}.is_running", IsRunning, Running, frozenset(),
                 summary="Whether a gateway still works on a request", timeout=1.0)
# fmt: on
