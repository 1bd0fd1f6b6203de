"""What `ottb up` prints once everything is up."""

from actors.settings import Settings
from cli.site.sandbox_pbx import has_sandbox_pbx, real_asterisk


def banner(settings: Settings, seconds: float, *, first_start: bool) -> list[str]:
    """What a person wants to know when everything is up."""
    kind = "sandbox" if settings.sandbox.enabled else "site"
    return [
        "",
        f"OTTB {kind} is up in {seconds:.1f} s.",
        "",
        *_addresses(settings),
        "",
        *_logins(settings, first_start=first_start),
        *_sandbox(settings),
        "",
        "  Place a call: see README.md. Something wrong: ottb doctor. Stop: Ctrl-C.",
        "",
    ]


def _addresses(settings: Settings) -> list[str]:
    http, nats = settings.http, settings.nats
    scheme = "tls" if nats.certificate else "nats"
    return [
        f"  POINT      {http.url(http.point_port)}   login, users",
        f"  DCI        {http.url(http.dci_port)}   pipelines",
        f"  OTTB       {http.url(http.ottb_port)}   slots, calls, trunks   (reference: /docs)",
        f"  WORKSPACE  {http.url(http.workspace_port)}   Socket.IO, and all of the above",
        f"  Bus        {scheme}://{nats.host}:{nats.port}   events for other systems: docs/bus.md",
    ]


def _logins(settings: Settings, *, first_start: bool) -> list[str]:
    admin = settings.state / "admin-password"
    if first_start and admin.exists():
        lines = [f"  Log in as  admin / {admin.read_text().strip()}   (kept in {admin})"]
    else:
        lines = [f"  Log in as  admin; the password is in {admin}"]
    if settings.sandbox.enabled:
        lines.append("             op12 / 1234   (an operator, in the sandbox only)")
    return lines


def _sandbox(settings: Settings) -> list[str]:
    lines = []
    if settings.sandbox.enabled:
        lines.append(f"  Phones     {len(settings.slots)} virtual ones; what a number does: docs/sandbox.md")
    if has_sandbox_pbx(settings):
        pbx = "a real Asterisk" if real_asterisk(settings) else "a virtual PBX (`make asterisk`: a real one)"
        lines.append(f"  Trunks     {len(settings.trunks)} on {pbx}")
    return lines
