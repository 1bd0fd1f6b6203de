"""What is changed of users, roles and service tokens, and who sees them."""

import contextlib
from datetime import timedelta

from msgspec import UNSET

from actors.point import machine, tokens
from actors.point.credentials import Credentials
from actors.point.journal import Journal
from actors.point.sessions import NOT_A_SESSION
from actors.point.settings import Auth
from actors.runtime.bus import Bus, BusError
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.wire import Page
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import (
    ChangeUser,
    CreateToken,
    CreateUser,
    Deleted,
    DeleteRole,
    DeleteUser,
    ExtensionFound,
    FindExtension,
    ListRoles,
    ListTokens,
    ListUsers,
    Noted,
    RevokeToken,
    RoleSet,
    RoleView,
    SetRole,
    TokenCreatedReply,
    TokenUsed,
    TokenView,
    UserChanged,
    UserView,
)

SEEN = "OTTB_SNAP"  # when a service token was last used: losing it costs nothing


class Administration:
    """Users, roles and service tokens of the site."""

    def __init__(self, *, bus: Bus, journal: Journal, credentials: Credentials, clock: Clock, auth: Auth) -> None:
        self._bus = bus
        self._journal = journal
        self._directory = journal.directory
        self._credentials = credentials
        self._asker = credentials.asker
        self._clock = clock
        self._auth = auth

    # --- users

    async def list_users(self, request: ListUsers, context: Context) -> Page:
        names = sorted(self._directory.users)
        after = request.cursor or ""
        wanted = [name for name in names if name > after and request.role in (None, self._directory.users[name].role)]
        shown = wanted[: request.limit]
        return Page(
            body=[self._directory.user_view(name, self._clock.now()) for name in shown],
            next_cursor=shown[-1] if len(wanted) > request.limit else None,
        )

    async def create_user(self, request: CreateUser, context: Context) -> UserView:
        asker = self._asker(context)
        draft = self._must_change(request.must_change_password)
        machine.create_user(self._directory, asker, request, "", self._now(), must_change=draft)  # before the dear hash
        stored = await self._credentials.hash(request.username, request.password)
        await self._journal.change(
            lambda: machine.create_user(
                self._directory, self._asker(context), request, stored, self._now(), must_change=draft
            )
        )
        return self._directory.user_view(request.username, self._clock.now())

    async def change_user(self, request: ChangeUser, context: Context) -> Page:
        def decide(stored: str | None) -> UserChanged | None:
            event = machine.change_user(
                self._directory, self._asker(context), request, stored, self._now(), must_change=self._must_change(None)
            )
            return event if machine.changes(self._directory, event) else None

        wanted = {"email", "role", "password", "status", "must_change_password", "extension"}
        if not request.end_tokens and all(getattr(request, name) is UNSET for name in wanted):
            raise Refusal(ErrorCode.INVALID_PARAMS, "Name what to change.", known=sorted({*wanted, "end_tokens"}))
        decide(None)
        stored = None if request.password is UNSET else await self._credentials.hash(request.user, request.password)
        event = await self._journal.change(lambda: decide(stored))
        return Page(body=self._directory.user_view(request.user, self._clock.now()), changed=event is not None)

    async def delete_user(self, request: DeleteUser, context: Context) -> Deleted:
        await self._journal.change(
            lambda: machine.delete_user(self._directory, self._asker(context), request.user, self._now())
        )
        return Deleted(id=request.user)

    async def find_extension(self, request: FindExtension, context: Context) -> ExtensionFound:
        """Say, to other parts of the platform, where the PBX reaches a user, and whether there still is one."""
        user = self._directory.users.get(request.user)
        if user is None:
            raise machine.NO_USER()
        extension = user.extension if user.active else None
        return ExtensionFound(user=user.name, extension=extension, active=user.active)

    # --- roles

    async def list_roles(self, request: ListRoles, context: Context) -> list[RoleView]:
        return [self._directory.role_view(name) for name in sorted(self._directory.roles)]

    async def set_role(self, request: SetRole, context: Context) -> Page:
        def decide() -> RoleSet | None:
            event = machine.set_role(self._directory, self._asker(context), request, self._now())
            return event if machine.changes(self._directory, event) else None

        event = await self._journal.change(decide)
        return Page(body=self._directory.role_view(request.role), changed=event is not None)

    async def delete_role(self, request: DeleteRole, context: Context) -> Deleted:
        await self._journal.change(
            lambda: machine.delete_role(self._directory, self._asker(context), request.role, self._now())
        )
        return Deleted(id=request.role)

    # --- service tokens

    async def list_tokens(self, request: ListTokens, context: Context) -> list[TokenView]:
        machine.may_list_tokens(self._asker(context))
        everybody = context.may(Action.USER_VIEW)
        if not everybody and request.user not in (None, context.user):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "Only your own.", permission=Action.USER_VIEW)
        wanted = request.user if everybody else context.user
        ids = [id for id, token in sorted(self._directory.tokens.items()) if wanted in (None, token.user)]
        return [self._directory.token_view(id, await self._last_used(id)) for id in ids]

    async def create_token(self, request: CreateToken, context: Context) -> TokenCreatedReply:
        if context.session is None:
            raise NOT_A_SESSION()
        id, whole, proof = tokens.make_service_token()
        expires_at = utc(self._clock.now() + timedelta(seconds=request.expires_in))
        await self._journal.change(
            lambda: machine.create_token(
                self._directory, self._asker(context), request, id, proof, self._now(), expires_at
            )
        )
        actions = self._directory.token_view(id, None).actions
        return TokenCreatedReply(id=id, name=request.name, token=whole, actions=actions, expires_at=expires_at)

    async def revoke_token(self, request: RevokeToken, context: Context) -> Deleted:
        await self._journal.change(
            lambda: machine.revoke_token(self._directory, self._asker(context), request.token_id, self._now())
        )
        return Deleted(id=request.token_id)

    async def token_used(self, request: TokenUsed, context: Context) -> Noted:
        if request.token_id in self._directory.tokens:
            with contextlib.suppress(BusError):
                await self._bus.put(SEEN, f"token.{request.token_id}", self._now().encode(), expect=None)
        return Noted()

    async def _last_used(self, id: str) -> str | None:
        try:
            entry = await self._bus.get(SEEN, f"token.{id}")
        except BusError:
            return None
        return entry.data.decode() if entry is not None and entry.data else None

    # --- inside

    def _must_change(self, wanted: bool | None) -> bool:
        return self._auth.change_at_first_login if wanted is None else wanted

    def _now(self) -> str:
        return utc(self._clock.now())
