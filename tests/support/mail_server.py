"""A mail server that notes what it takes, and takes it, refuses it or is slow, as it is told."""

import asyncio
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """`mails`: those it has taken, `tries`: how many it was given, `logins`: passwords it was
    told. `says`: the answer to one; `rest`: seconds before
    it. With `tls` it wants STARTTLS, with `login` that user and password."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.tries = 0
        self.logins = 0
        self.says = "250 taken"
        self.rest = 0.0
        self.port = 0
        self._tls = tls
        self._login = login
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "MailServer":
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end()

    async def begin(self) -> None:
        """Listen, on the port that it had."""
        self._server = await asyncio.get_running_loop().create_server(self._make, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def end(self) -> None:
        if self._server is not None:
            self._server.close()

    def _make(self) -> SMTP:
        return SMTP(
            self, hostname="mail.example.com", tls_context=self._tls, require_starttls=self._tls is not None,
            auth_required=self._login is not None, authenticator=self._lets_in,
            auth_require_tls=self._tls is not None,
        )  # fmt: skip

    def _lets_in(self, server: SMTP, session: Session, envelope: Envelope, way: str, given: object) -> AuthResult:
        self.logins += 1
        assert isinstance(given, LoginPassword)
        said = (given.login.decode(), given.password.decode())
        return AuthResult(success=said == self._login)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.tries += 1
        says = self.says
        await asyncio.sleep(self.rest)
        if says.startswith("2"):
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
            self.recipients.append(list(envelope.rcpt_tos))
        return says

    async def until(self, count: int, seconds: float = 30.0) -> list[EmailMessage]:
        """What it has taken, once that is so much."""
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                await asyncio.sleep(0.02)
        return self.mails
