"""`ottb user passwd`: set a password."""

from cli.gateway import Gateway


def set_password(gateway: Gateway, *, user: str, new: str, admin: str, password: str, end_tokens: bool) -> int:
    """Log in as `admin` and set the password of `user`; the own one with the old one. Returns how many service tokens
    of the user go on working. Raises NotDone."""
    with gateway.session(admin, password) as session:
        if user == admin:
            body = {"password": password, "new_password": new, "end_tokens": end_tokens}
            return int(session.call("POST", "/api/auth/password", body)["tokens_left"])
        changed = session.call("PATCH", f"/api/users/{user}", {"password": new, "end_tokens": end_tokens})
        return int(changed["tokens"])
