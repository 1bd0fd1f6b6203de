"""The secrets of a site: made at its first start, kept with its state, readable by their owner alone."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from actors.point.callout import new_seed
from actors.runtime.secret_files import write_secret
from bus_schemas.names import PARTS

USERS = PARTS  # of the bus: one password each
AMI_SECRET = "ami"  # of the sandbox's PBX
CONTROL = "control"  # of the control ports of the sandbox's simulators
CONTROL_HEADER = "control-header"  # a file for `curl -H @var/control-header`
ISSUER_SEED = "issuer_seed"  # signs what other systems may do on the bus


def secrets_of(state: Path) -> Mapping[str, str]:
    """The secrets by name, of `USERS`, `AMI_SECRET`, `CONTROL` and `ISSUER_SEED`. Those that are missing are made."""
    path = _file(state)
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in (*USERS, ISSUER_SEED, AMI_SECRET, CONTROL) if name not in known]
    if missing:  # at the first start, or of an earlier version
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        known |= {name: new_seed() if name == ISSUER_SEED else f"p{secrets.token_hex(24)}" for name in missing}
        write_secret(path, json.dumps(known).encode())
        write_secret(state / CONTROL_HEADER, f"Authorization: Bearer {known[CONTROL]}\n".encode())
    return known


def is_first_start(state: Path) -> bool:
    """Whether this site was never started."""
    return not _file(state).exists()


def _file(state: Path) -> Path:
    return state / "secrets.json"
