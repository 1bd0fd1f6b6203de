"""The PBX that the sandbox brings for its trunks: a real Asterisk where there is one, else a virtual PBX."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.settings import Settings
from cli.site import asterisk
from cli.site.probes import ami_answers
from cli.site.secrets import AMI_SECRET, CONTROL
from cli.site.supervisor import Child, python

AMI_USER = "ottb"
STOP_SECONDS = 0.0  # Asterisk can take a minute over its own end, and keeps nothing that we need


def has_sandbox_pbx(settings: Settings) -> bool:
    """Whether the sandbox brings the PBX of its trunks: nobody has named one (`OTTB_AMI__MAIN__SECRET`)."""
    named = "main" in settings.ami and settings.ami["main"].secret is not None
    return settings.sandbox.enabled and bool(settings.trunks) and not named


def real_asterisk(settings: Settings) -> Path | None:
    """The Asterisk that the sandbox uses, if there is one."""
    return asterisk.find() if settings.sandbox.asterisk else None


def sandbox_pbx(
    settings: Settings, state: Path, secrets: Mapping[str, str], arguments: Sequence[str], env: Mapping[str, str]
) -> tuple[list[Child], Mapping[str, str]]:
    """The processes of the sandbox's PBX, and the settings by which the others find it."""
    ami = {
        "OTTB_AMI__MAIN__HOST": "127.0.0.1",
        "OTTB_AMI__MAIN__PORT": str(settings.sandbox.pbx_port),
        "OTTB_AMI__MAIN__USER": AMI_USER,
        "OTTB_AMI__MAIN__SECRET": secrets[AMI_SECRET],
        "OTTB_AMI__MAIN__RECORDINGS": str(state / "recordings"),
        "OTTB_AMI__MAIN__OPERATORS_CONTEXT": "ottb-operators",
    }
    root = real_asterisk(settings)
    if root is None:
        control = {"OTTB_SANDBOX__CONTROL_SECRET": secrets[CONTROL]}
        ami["OTTB_AMI__MAIN__OWNER"] = str(os.geteuid())
        return [python("pbx", ["simulators.pbx.main", *arguments], {**env, **ami, **control})], ami
    children, pbx = _real(settings, state, root, secrets[AMI_SECRET])
    found = {"OTTB_AMI__MAIN__OWNER": str(pbx.owner), "OTTB_AMI__MAIN__RECORDINGS": str(pbx.recordings)}
    return children, ami | found


def _real(settings: Settings, state: Path, root: Path, secret: str) -> tuple[list[Child], asterisk.Instance]:
    """A real Asterisk, and it and a second one, the carrier, as processes."""
    port, sip = settings.sandbox.pbx_port, settings.sandbox.sip_port
    far = asterisk.carrier(root, state, sip_port=sip + 1, scale=settings.sandbox.time_scale)
    near = asterisk.pbx(
        root, state, user=AMI_USER, secret=secret, ami_port=port, sip_port=sip, far_port=sip + 1,
        endpoints=[trunk.endpoint for trunk in settings.trunks if trunk.pbx == "main"],
    )  # fmt: skip
    return [
        Child(name="carrier", argv=far.argv, stop_seconds=STOP_SECONDS),
        Child(name="asterisk", argv=near.argv, ready=lambda: ami_answers(port), stop_seconds=STOP_SECONDS),
    ], near
