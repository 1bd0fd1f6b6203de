"""`ottb user passwd`: set a password."""

from cli.gateway import Session


def set_password(session: Session, *, user: str, new: str, admin: str, password: str, end_tokens: bool) -> int:
    """Set the password of `user` as `admin`, who is logged in; the own one with the old one. Returns how many service
    tokens of the user go on working. Raises ApiError."""
    api = session.api
    if user == admin:
        changing = api.change_password(password=password, new_password=new, end_tokens=end_tokens)
        return session.done(changing).tokens_left
    return session.done(api.change_user(user, password=new, end_tokens=end_tokens)).tokens
