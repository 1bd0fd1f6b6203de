"""The settings of alerts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.alert.rules import BUILT_IN, Rules, rules_in
from actors.runtime.settings import Port
from bus_schemas.fields import shaped

MailHost = Annotated[str, shaped(r"^[A-Za-z0-9.:-]{0,253}$(?!\n)", "a host's name or address")]
Sender = Annotated[
    str, shaped(r"^(?:[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190})?$(?!\n)", "an e-mail address, as `ottb@example.com`")
]


class Smtp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server that takes e-mails; `host` empty: none is sent. `tls`: by STARTTLS after the greeting, from the first
    byte (`tls`), or `none`, which is refused with a password unless the server is on this machine. `password`: by
    the environment (`OTTB_ALERTS__SMTP__PASSWORD`, or `...__PASSWORD__FILE`: a file with it, as `var/smtp-password`).
    `ca`: a PEM file of who signs the server's certificate; empty: whom this machine believes. `seconds`: for all of one
    mail."""

    host: MailHost = ""
    port: Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str | None = None
    sender: Sender = ""
    ca: str = ""
    seconds: Annotated[float, Meta(ge=1, le=300)] = 30.0


class Alerts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rules`: the file that says which alerts there are; empty: the one that comes with the program. All hosts of a
    site have the same. `enabled` false: this host tells nobody what it sees."""

    enabled: bool = True
    rules: str = ""
    smtp: Smtp = Smtp()

    def read(self) -> Rules:
        """Raises SettingsError, which names the file, the line and what is wrong."""
        return rules_in(Path(self.rules) if self.rules else BUILT_IN)

    def mistakes(self) -> Iterator[str]:
        """What is wrong with them, each with its place."""
        smtp = self.smtp
        if smtp.host and not smtp.sender:
            yield "alerts.smtp.sender: who sends the e-mails?"
        if smtp.user and smtp.password is None:
            yield "alerts.smtp.password: there is a user and no password (OTTB_ALERTS__SMTP__PASSWORD)"
        if smtp.password is not None and smtp.tls == "none" and smtp.host not in ("127.0.0.1", "::1", "localhost"):
            yield "alerts.smtp.tls: a password is not sent in the clear"
