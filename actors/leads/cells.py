"""What a cell of a list of leads means beside numbers (`actors/telephony/cells.py`): yes and no. Pure."""

YES = frozenset(["yes", "y", "true", "1", "+", "так", "т", "да", "д"])
NO = frozenset(["no", "n", "false", "0", "-", "ні", "н", "нет"])


def is_blank(cell: str) -> bool:
    """Whether a cell holds nothing: no letter and no figure, but a dash perhaps."""
    return not any(map(str.isalnum, cell))
