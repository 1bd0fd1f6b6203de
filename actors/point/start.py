"""How POINT starts: users, sessions and keys, and logins on the bus."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from actors.point import keys
from actors.point.bus_audience import BusAudienceTeller
from actors.point.bus_audit import BusAudit
from actors.point.bus_limits import Meter
from actors.point.bus_login import BusLogin, Received
from actors.point.credentials import PasswordChecks
from actors.point.keys import ensure_keys
from actors.point.point import Point
from actors.point.settings import Auth
from actors.point.settings import BusLogin as BusLoginSettings
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.parts import Parts
from actors.runtime.secret_files import write_secret
from actors.runtime.storage import Room

log = structlog.get_logger()

KEY_LOOK, KEY_SLACK = 3600.0, 24 * 3600.0  # seconds
SANDBOX_OPERATOR = ("op12", "1234", "operator")


async def start(
    parts: Parts, stack: AsyncExitStack, *, settings: Auth, passwords: PasswordChecks, state: Path, sandbox: bool
) -> Point:
    """POINT, with its first users and a signing key that is replaced in time. `state`: the folder of keys."""
    room = Room(bus=parts.bus)
    watching = asyncio.get_running_loop().create_task(room.watch())
    stack.callback(watching.cancel)
    point = Point(
        bus=parts.bus,
        clock=parts.clock,
        ids=parts.ids,
        passwords=passwords,
        keys=ensure_keys(state),
        auth=settings,
        nearly_full=lambda: room.nearly_full,
    )
    await point.start()
    stack.push_async_callback(point.stop)
    await _seed(point, settings, state, sandbox)
    renewing = asyncio.get_running_loop().create_task(_renew_keys(settings, state, parts.clock))
    stack.callback(renewing.cancel)
    return point


async def start_bus_login(
    parts: Parts,
    stack: AsyncExitStack,
    *,
    settings: BusLoginSettings,
    point: Point,
    connect: Callable[[str | None, str | None], Awaitable[Bus]],
    received: Received,
) -> None:
    """Let other systems in with their POINT identity, where the server asks for it. `connect`: to the bus as a user
    with a password; what it gives is closed by who gave it. `received`: bytes that the server's machine has got."""
    if settings.user is None or settings.issuer_seed is None:
        return
    auth = await connect(settings.user, settings.password)
    sys_bus = await connect(settings.sys_user, settings.sys_password)
    login = BusLogin(
        auth=auth,
        sys=sys_bus,
        admit=point.sessions.admit_on_bus,
        outdated=point.sessions.outdated,
        is_current=point.journal.is_current,
        known=lambda name: name in point.journal.directory.users,
        seed=settings.issuer_seed,
        clock=parts.clock,
        audit=BusAudit(bus=parts.bus, clock=parts.clock, ids=parts.ids, nearly_full=point.nearly_full),
        meter=Meter(settings.limits),
        received=received,
        audience=BusAudienceTeller(bus=parts.bus, clock=parts.clock, sender=parts.ids.new()),
    )
    await login.start()
    stack.push_async_callback(login.stop)
    stack.callback(point.journal.on_void(login.void))


async def _renew_keys(settings: Auth, state: Path, clock: Clock) -> None:
    """Replace the signing key in time; what the old one signed stays good until it ends by itself."""
    keep = settings.session_seconds + KEY_SLACK
    while True:
        try:
            keys.renew(state, after=settings.key_seconds, keep=keep, now=clock.now().timestamp())
        except OSError as error:  # a full disk, or another host was faster; the next time
            log.warning("signing keys not renewed", error=str(error))
        await asyncio.sleep(KEY_LOOK)


async def _seed(point: Point, settings: Auth, state: Path, sandbox: bool) -> None:
    """The first users: `admin` with a password of its own, and in the sandbox the documented operator."""
    password = secrets.token_urlsafe(12)
    must_change = settings.change_at_first_login and not sandbox
    if await point.seed("admin", password, "admin", must_change=must_change):
        write_secret(state / "admin-password", f"{password}\n".encode())
        log.info("user admin created; the password is in the state folder", file="admin-password")
    if sandbox:
        await point.seed(*SANDBOX_OPERATOR)
