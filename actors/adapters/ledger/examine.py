"""Whether a PostgreSQL database can hold the records of a host, asked without changing anything."""

import psycopg
from psycopg.conninfo import make_conninfo

from actors.adapters.ledger.guarded import guarded

SECONDS = 5


class LedgerUnusable(Exception):
    """It cannot. The message says why, without the password."""


def examine_postgresql(url: str, schema: str) -> str:
    """What was found, for people. Raises LedgerUnusable."""
    try:
        where = make_conninfo(url, connect_timeout=SECONDS, application_name="ottb-doctor", **guarded(url))
    except psycopg.ProgrammingError:  # its message shows what it could not read
        raise LedgerUnusable("the URL cannot be read") from None
    try:
        with psycopg.connect(where, autocommit=True) as db:
            db.execute(f"SET statement_timeout TO {1000 * SECONDS}")
            found = db.execute(
                "SELECT current_setting('server_version'), to_regnamespace(quote_ident(%(schema)s)) IS NOT NULL,"
                " has_database_privilege(current_database(), 'CREATE'),"
                " coalesce(has_schema_privilege(to_regnamespace(quote_ident(%(schema)s)), 'CREATE'), false),"
                " pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool",
                {"schema": schema},
            ).fetchone()
            assert found is not None
    except psycopg.Error as error:
        raise LedgerUnusable(f"{error}".strip().splitlines()[0]) from None
    version, there, may_make, may_use, read_only = found
    if read_only:
        raise LedgerUnusable(f"{version} takes no writes: it is a standby, or set to read only")
    if not (may_use if there else may_make):
        what = f"own the schema {schema}" if there else f"create the schema {schema}"
        raise LedgerUnusable(f"the user may not {what}")
    return f"PostgreSQL {version}, schema {schema}{'' if there else ' (made at the start)'}"
