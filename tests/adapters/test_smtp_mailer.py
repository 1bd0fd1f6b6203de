"""E-mails through a real mail server: what gets there, and what is said when it does not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.smtp_mailer import SmtpMailer
from actors.adapters.tls import BadCertificate
from actors.alert.mailer import NotTaken
from actors.alert.settings import Smtp
from tests.support.certificates import Authority
from tests.support.mail_server import MailServer

TO = ("ops@example.com", "night@example.com")


def smtp(server: MailServer, **more: object) -> SmtpMailer:
    given = {"host": "127.0.0.1", "port": server.port, "tls": "none", "sender": "ottb@example.com", "seconds": 5.0}
    return SmtpMailer(Smtp(**{**given, **more}))  # type: ignore[arg-type]


async def send(mailer: SmtpMailer, subject: str = "Slot 44 is hot") -> None:
    await mailer.send(to=TO, subject=subject, text="- Slot 44\nÜber 45 °C", id="mail_1")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as running:
        yield running


async def test_a_mail_gets_there_as_it_was_written(server: MailServer) -> None:
    await send(smtp(server))
    [mail] = server.mails
    assert (mail["Subject"], mail["From"], mail["To"]) == ("Slot 44 is hot", "ottb@example.com", ", ".join(TO))
    assert mail["Message-ID"] == "<mail_1@example.com>" and mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().split() == ["-", "Slot", "44", "Über", "45", "°C"] and server.recipients == [list(TO)]


async def test_no_subject_becomes_another_header(server: MailServer) -> None:
    with pytest.raises(NotTaken):
        await send(smtp(server), "x\r\nBcc: all@example.com")
    assert server.tries == 0


@pytest.mark.parametrize("says", ["451 try later", "554 no", "421 closing"])
async def test_what_a_server_refuses_is_not_taken_and_it_says_why(server: MailServer, says: str) -> None:
    server.says = says
    with pytest.raises(NotTaken, match=says[4:]):
        await send(smtp(server))


async def test_a_slow_server_costs_no_more_than_was_given(server: MailServer) -> None:
    server.rest = 30
    began = asyncio.get_running_loop().time()
    with pytest.raises(NotTaken, match=r"in 1 s|imed out"):
        await send(smtp(server, seconds=1.0))
    assert asyncio.get_running_loop().time() - began < 10


async def test_nobody_there_is_said_and_one_that_comes_back_takes_it(server: MailServer) -> None:
    server.end()
    with pytest.raises(NotTaken):
        await send(smtp(server))
    await server.begin()
    await send(smtp(server))
    assert len(server.mails) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_over_starttls_with_a_password_and_never_in_the_clear(tmp_path: Path) -> None:
    made = Authority(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*made.sign("mail"))
    async with MailServer(tls=tls, login=("ottb", "s3cret")) as server:
        ca = {"ca": str(made.certificate), "tls": "starttls", "user": "ottb"}
        await send(smtp(server, password="s3cret", **ca))
        assert len(server.mails) == 1
        with pytest.raises(NotTaken):
            await send(smtp(server, password="wrong", **ca))
        with pytest.raises(NotTaken):  # a server that nobody vouches for
            await send(smtp(server, password="s3cret", tls="starttls", user="ottb"))
    async with MailServer(login=("ottb", "s3cret")) as plain:
        with pytest.raises(NotTaken):  # it offers no STARTTLS, so it hears no password
            await send(smtp(plain, password="s3cret", **ca))
        assert (plain.tries, plain.logins) == (0, 0)


def test_an_authority_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(BadCertificate):
        SmtpMailer(Smtp(host="h", sender="a@example.com", ca="/nowhere.pem"))
