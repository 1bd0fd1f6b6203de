"""Routes: user. Written by `make client` from the contract."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from bus_schemas.introspection import Introspection
from bus_schemas.link import SignedLink
from bus_schemas.permissions import Action
from bus_schemas.user import (
    Deleted,
    LoggedOut,
    PasswordChanged,
    RoleCheckReply,
    RoleView,
    TokenCreatedReply,
    TokenView,
    UserStatus,
    UserView,
)
from ottb_client.answers import Listing
from ottb_client.http import Http


class UserRoutes(Http):
    """What is asked over HTTP."""

    async def change_password(
        self, *, password: str, new_password: str, end_tokens: bool | UnsetType = UNSET,
    ) -> PasswordChanged:  # fmt: skip
        """Change the own password: `POST /api/auth/password`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/auth/password", PasswordChanged, {"password": password, "new_password": new_password,
            "end_tokens": end_tokens},
        )  # fmt: skip

    async def introspect(self, *, token: str, token_type_hint: str | UnsetType | None = UNSET) -> Introspection:
        """What a token is worth: `POST /api/auth/introspect`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/auth/introspect", Introspection, {"token": token, "token_type_hint": token_type_hint},
        )  # fmt: skip

    async def make_link(self, *, path: str, seconds: int | UnsetType = UNSET) -> SignedLink:
        """A link that a browser can open: `POST /api/auth/links`. Raises ApiError."""
        return await self._ask("POST", "/api/auth/links", SignedLink, {"path": path, "seconds": seconds})

    async def role_check(self, *, action: str) -> RoleCheckReply:
        """May I?: `GET /api/point/rolecheck`. Raises ApiError."""
        return await self._ask("GET", "/api/point/rolecheck", RoleCheckReply, {"action": action})

    def list_users(
        self, *, role: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[UserView]:  # fmt: skip
        """All users: `GET /api/users`. Raises ApiError."""
        return self._list("/api/users", list[UserView], {"role": role, "limit": limit, "cursor": cursor})

    async def create_user(
        self, *, username: str, password: str, role: str, email: str | UnsetType | None = UNSET,
        must_change_password: bool | UnsetType | None = UNSET, extension: str | UnsetType | None = UNSET,
    ) -> UserView:  # fmt: skip
        """Create a user: `POST /api/users`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/users", UserView, {"username": username, "password": password, "role": role, "email": email,
            "must_change_password": must_change_password, "extension": extension},
        )  # fmt: skip

    async def change_user(
        self, user: str, *, email: str | UnsetType | None = UNSET, role: str | UnsetType = UNSET,
        password: str | UnsetType = UNSET, status: UserStatus | UnsetType = UNSET,
        must_change_password: bool | UnsetType = UNSET, extension: str | UnsetType | None = UNSET,
        end_tokens: bool | UnsetType = UNSET,
    ) -> UserView:  # fmt: skip
        """Change a user: `PATCH /api/users/{user}`. Raises ApiError."""
        return await self._ask(
            "PATCH", "/api/users/{user}", UserView, {"user": user, "email": email, "role": role, "password": password,
            "status": status, "must_change_password": must_change_password, "extension": extension,
            "end_tokens": end_tokens},
        )  # fmt: skip

    async def delete_user(self, user: str) -> Deleted:
        """Delete a user: `DELETE /api/users/{user}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/users/{user}", Deleted, {"user": user})

    async def end_sessions(self, user: str, *, end_tokens: bool | UnsetType = UNSET) -> LoggedOut:
        """End all sessions of a user: `POST /api/users/{user}/logout`. Raises ApiError."""
        return await self._ask("POST", "/api/users/{user}/logout", LoggedOut, {"user": user, "end_tokens": end_tokens})

    async def list_roles(self) -> list[RoleView]:
        """All roles: `GET /api/roles`. Raises ApiError."""
        return await self._ask("GET", "/api/roles", list[RoleView], {})

    async def set_role(self, role: str, *, permissions: dict[str, Sequence[str]]) -> RoleView:
        """Create or change a role: `POST /api/roles/{role}`. Raises ApiError."""
        return await self._ask("POST", "/api/roles/{role}", RoleView, {"role": role, "permissions": permissions})

    async def delete_role(self, role: str) -> Deleted:
        """Delete a role: `DELETE /api/roles/{role}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/roles/{role}", Deleted, {"role": role})

    async def list_tokens(self, *, user: str | UnsetType | None = UNSET) -> list[TokenView]:
        """Service tokens: `GET /api/tokens`. Raises ApiError."""
        return await self._ask("GET", "/api/tokens", list[TokenView], {"user": user})

    async def create_token(
        self, *, name: str, actions: Sequence[Action], expires_in: int | UnsetType = UNSET,
    ) -> TokenCreatedReply:  # fmt: skip
        """Create a service token: `POST /api/tokens`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/tokens", TokenCreatedReply, {"name": name, "actions": actions, "expires_in": expires_in},
        )  # fmt: skip

    async def revoke_token(self, token_id: str) -> Deleted:
        """Revoke a service token: `DELETE /api/tokens/{token_id}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/tokens/{token_id}", Deleted, {"token_id": token_id})
