"""POINT: logging in, users, roles and service tokens."""

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
    LIST_ROLES,
    LIST_TOKENS,
    LIST_USERS,
    LOGIN,
    LOGOUT,
    REFRESH,
    REVOKE_TOKEN,
    ROLE_CHECK,
    SET_ROLE,
)
from gateway.routes import Part, Route

P = Part

# fmt: off
ROUTES = (
    #     method    path                          contract         status part
    Route("POST",   "/api/auth/login",            LOGIN,           200, P.POINT),
    Route("POST",   "/api/auth/refresh",          REFRESH,         200, P.POINT),
    Route("POST",   "/api/auth/logout",           LOGOUT,          200, P.POINT),
    Route("POST",   "/api/auth/password",         CHANGE_PASSWORD, 200, P.POINT),
    Route("POST",   "/api/auth/introspect",       INTROSPECT,      200, P.POINT, form=True),
    Route("POST",   "/api/auth/links",            MAKE_LINK,       200, P.POINT),
    Route("GET",    "/api/point/rolecheck",       ROLE_CHECK,      200, P.POINT, light=True),

    Route("GET",    "/api/users",                 LIST_USERS,      200, P.POINT),
    Route("POST",   "/api/users",                 CREATE_USER,     201, P.POINT),
    Route("PATCH",  "/api/users/{user}",          CHANGE_USER,     200, P.POINT),
    Route("DELETE", "/api/users/{user}",          DELETE_USER,     200, P.POINT),
    Route("POST",   "/api/users/{user}/logout",   END_SESSIONS,    200, P.POINT),
    Route("GET",    "/api/roles",                 LIST_ROLES,      200, P.POINT),
    Route("POST",   "/api/roles/{role}",          SET_ROLE,        200, P.POINT),
    Route("DELETE", "/api/roles/{role}",          DELETE_ROLE,     200, P.POINT),
    Route("GET",    "/api/tokens",                LIST_TOKENS,     200, P.POINT),
    Route("POST",   "/api/tokens",                CREATE_TOKEN,    201, P.POINT),
    Route("DELETE", "/api/tokens/{token_id}",     REVOKE_TOKEN,    200, P.POINT),
)
# fmt: on
