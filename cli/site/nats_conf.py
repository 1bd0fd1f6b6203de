"""What nats-server is started on: `nats.conf` as it is, or, with a certificate, a file that adds TLS to it."""

import json
import os
from pathlib import Path

from actors.runtime.secret_files import write_secret
from actors.runtime.settings import Nats

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "nats.conf"

# What comes last counts, so this `websocket` takes the place of the other one. Browsers have no certificate to show.
WITH_TLS = """include {conf}
tls {{ {pair}, timeout: 3{asking} }}
websocket {{ host: $OTTB_NATS_HOST, port: $OTTB_NATS_WEBSOCKET_PORT, tls {{ {pair} }} }}
"""


def nats_conf(nats: Nats, state: Path) -> Path:
    """The file to start on."""
    if not nats.certificate:
        return CONF
    path = state.resolve() / "nats.conf"
    asking = f", verify: true, ca_file: {_quoted(nats.client_ca)}" if nats.client_ca else ""
    pair = f"cert_file: {_quoted(nats.certificate)}, key_file: {_quoted(nats.key)}"
    conf = json.dumps(os.path.relpath(CONF, path.parent), ensure_ascii=False)  # nats-server takes no absolute one here
    write_secret(path, WITH_TLS.format(conf=conf, pair=pair, asking=asking).encode())
    return path


def _quoted(file: str) -> str:
    return json.dumps(str(Path(file).resolve()), ensure_ascii=False)
