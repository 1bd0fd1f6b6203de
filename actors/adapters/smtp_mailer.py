"""Sends e-mails about alerts by SMTP (RFC 5321), with STARTTLS (RFC 3207) and AUTH (RFC 4954) as the settings say.

`aiosmtplib` speaks the protocol: each step has a deadline and all of a mail has one, which a thread with `smtplib`
could not keep against a server that says one byte a minute.
"""

import asyncio
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
import structlog

from actors.adapters.tls import BadCertificate
from actors.alert.mailer import NotTaken
from actors.alert.settings import Smtp

log = structlog.get_logger()

NAME = "localhost"  # as which we greet: asking a resolver for a better one may take seconds
LONGEST = 300  # characters of what a server says


class SmtpMailer:
    """Through one server. Raises BadCertificate."""

    def __init__(self, settings: Smtp) -> None:
        self._settings = settings
        try:
            self._tls = ssl.create_default_context(cafile=settings.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise BadCertificate(f"alerts.smtp.ca: {settings.ca}: {error}") from None

    async def send(self, *, to: tuple[str, ...], subject: str, text: str, id: str) -> None:
        """See the port."""
        given = self._settings
        secure = given.tls != "none"
        try:
            async with asyncio.timeout(given.seconds):
                refused, _ = await aiosmtplib.send(
                    self._message(to, subject, text, id), hostname=given.host, port=given.port, recipients=list(to),
                    sender=given.sender, username=given.user or None, password=given.password if given.user else None,
                    use_tls=given.tls == "tls", start_tls=given.tls == "starttls", local_hostname=NAME,
                    tls_context=self._tls if secure else None, timeout=given.seconds,
                )  # fmt: skip
        except TimeoutError:
            raise NotTaken(f"{given.host} did not take it in {given.seconds:g} s") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise NotTaken(f"{given.host}: {str(error) or type(error).__name__}"[:LONGEST]) from None
        if refused:
            why = {one: str(said) for one, said in refused.items()}
            log.warning("some are not told of alerts by e-mail", refused=why)

    def _message(self, to: tuple[str, ...], subject: str, text: str, id: str) -> EmailMessage:
        """Raises ValueError for a header that would be more than one."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._settings.sender, ", ".join(to), subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{id}@{self._settings.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
        message.set_content(text)
        return message
