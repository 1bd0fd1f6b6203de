"""What the schemas of a host are called in a PostgreSQL database."""

from zlib import crc32

LONGEST_NAME = 63  # bytes of an identifier


def schema_of(host: str) -> str:
    """The schema of a host's ledger: its name says whose it is."""
    return _shortened(f"ottb_{host}")


def log_schema_of(host: str) -> str:
    """The schema of its ledger of the platform's log."""
    return _shortened(f"ottblog_{host}")


def figures_schema_of(host: str) -> str:
    """The schema of its ledger of what was measured."""
    return _shortened(f"ottbfig_{host}")


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}_{crc32(name.encode()):08x}"
