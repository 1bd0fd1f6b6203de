"""What a password may be and how it is spelled. Pure, but for the list beside this file.

The same password comes from different keyboards as different characters: an accented letter is one character or two, a
blank has seventeen kinds. So it is prepared before it is hashed or compared (RFC 8265, OpaqueString: blanks to the
ordinary one, NFC, case kept).
"""

import unicodedata
from pathlib import Path

from bus_schemas.errors import misfit

_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})  # controls, formats, and what no keyboard has
_JOINERS = frozenset("\u200c\u200d")  # formats that some scripts are written with


def _common() -> frozenset[str]:
    lines = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(_likeness(line) for line in lines if not line.startswith("#"))


def _likeness(password: str) -> str:
    """What passwords have in common that one who guesses tries together: whatever the case, the width and the blanks
    at the ends, and with whatever cannot be seen."""
    seen = "".join(one for one in password if unicodedata.category(one) not in _INVISIBLE)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).strip()


COMMON = _common()


def prepared(password: str) -> str:
    """The one spelling under which a password is kept."""
    blanks = "".join(" " if unicodedata.category(one) == "Zs" else one for one in password)
    return unicodedata.normalize("NFC", blanks)


def spellings(password: str) -> tuple[str, ...]:
    """What the stored hash may be of: the prepared spelling, or, from before there was one, what was typed then."""
    ready = prepared(password)
    return tuple(dict.fromkeys((ready, password, unicodedata.normalize("NFD", ready))))


def fit(password: str, *, user: str, shortest: int, field: str = "password") -> str:
    """The password to be hashed for this user. `field`: of the request that has it. Raises Refusal(INVALID_PARAMS),
    which names it and says what is wrong."""
    ready = prepared(password)
    likeness = _likeness(ready)
    if len(ready) < shortest:
        raise misfit(field, f"a password has at least {shortest} characters.")
    if any(unicodedata.category(one) in _INVISIBLE and one not in _JOINERS for one in ready):
        raise misfit(field, "a password has no characters that cannot be seen, such as a line end.")
    if likeness == _likeness(user):
        raise misfit(field, "a password is not the user's name.")
    if likeness in COMMON:
        raise misfit(field, "this is one of the passwords that are tried first. Take another one.")
    if len(set(likeness)) <= 1:
        raise misfit(field, "a password is more than one character again and again.")
    return ready
