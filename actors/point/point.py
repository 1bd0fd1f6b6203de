"""POINT's shell: answers logins, sessions, users, roles and service tokens from what is on record. Any host may run
it."""

from collections.abc import Callable, Mapping

from actors.point import machine, password
from actors.point.administration import Administration
from actors.point.credentials import Credentials, PasswordChecks
from actors.point.journal import Journal
from actors.point.sessions import Sessions
from actors.point.settings import Auth
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock, utc
from actors.runtime.ids import Ids
from actors.runtime.problems import Problem
from actors.runtime.service import Served, Service, serve
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.introspection import INTROSPECT
from bus_schemas.link import MAKE_LINK
from bus_schemas.user import (
    CHANGE_PASSWORD,
    CHANGE_USER,
    CREATE_TOKEN,
    CREATE_USER,
    DELETE_ROLE,
    DELETE_USER,
    END_SESSIONS,
    FIND_EXTENSION,
    IDENTIFY,
    LIST_ROLES,
    LIST_TOKENS,
    LIST_USERS,
    LOGIN,
    LOGOUT,
    REFRESH,
    REVOKE_TOKEN,
    ROLE_CHECK,
    SET_ROLE,
    TOKEN_USED,
    UserCreated,
)

KEPT_LONGER = 24 * 3600  # seconds that the journal keeps a session beyond its end


class Point:
    """Users, roles and sessions of the site."""

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        passwords: PasswordChecks,
        keys: Mapping[str, bytes],
        auth: Auth,
        nearly_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._passwords = passwords
        self.nearly_full = nearly_full
        self.journal = Journal(bus=bus, clock=clock, ids=ids, kept=auth.session_seconds + KEPT_LONGER)
        self.credentials = Credentials(
            directory=self.journal.directory, passwords=passwords, clock=clock, shortest=auth.min_password
        )
        self.sessions = Sessions(
            journal=self.journal, credentials=self.credentials, clock=clock, ids=ids, keys=keys, auth=auth,
            nearly_full=nearly_full,
        )  # fmt: skip
        self.administration = Administration(
            bus=bus, journal=self.journal, credentials=self.credentials, clock=clock, auth=auth
        )
        handlers = (*_of_sessions(self.sessions), *_of_users(self.administration))
        self._service = Service(bus=bus, queue="point", handlers=handlers)

    async def start(self) -> None:
        """Read what is on record and serve."""
        await self.journal.start()
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()
        await self.journal.stop()

    def problems(self) -> list[Problem]:
        """The entries of the journal that could not be taken."""
        return self.journal.problems()

    async def seed(self, name: str, secret: str, role: str, *, must_change: bool = False) -> bool:
        """Create one of the first users, unless there is or was one of this name. True: created."""

        def decide(stored: str) -> UserCreated:
            now = utc(self._clock.now())
            return machine.first_user(self.journal.directory, name, role, stored, now, must_change=must_change)

        try:
            decide("")  # before the dear hash
            stored = await self._passwords.hash(password.prepared(secret))
            await self.journal.change(lambda: decide(stored))
        except Refusal as refusal:
            if refusal.code is not ErrorCode.CONFLICT:
                raise
            return False
        return True


def _of_sessions(sessions: Sessions) -> tuple[Served, ...]:
    return (
        serve(LOGIN, sessions.login),
        serve(REFRESH, sessions.refresh),
        serve(LOGOUT, sessions.logout),
        serve(END_SESSIONS, sessions.end_sessions),
        serve(CHANGE_PASSWORD, sessions.change_password),
        serve(ROLE_CHECK, sessions.role_check),
        serve(IDENTIFY, sessions.identify),
        serve(INTROSPECT, sessions.introspect),
        serve(MAKE_LINK, sessions.make_link),
    )


def _of_users(administration: Administration) -> tuple[Served, ...]:
    return (
        serve(LIST_USERS, administration.list_users),
        serve(CREATE_USER, administration.create_user),
        serve(CHANGE_USER, administration.change_user),
        serve(DELETE_USER, administration.delete_user),
        serve(FIND_EXTENSION, administration.find_extension),
        serve(LIST_ROLES, administration.list_roles),
        serve(SET_ROLE, administration.set_role),
        serve(DELETE_ROLE, administration.delete_role),
        serve(LIST_TOKENS, administration.list_tokens),
        serve(CREATE_TOKEN, administration.create_token),
        serve(REVOKE_TOKEN, administration.revoke_token),
        serve(TOKEN_USED, administration.token_used),
    )
