"""Which e-mails are sent: one for a group, soon, not often, and none is left out while the server is away."""

import pytest

from actors.alert.mail import LONGEST_PAUSE
from actors.alert.record import MOST_OVER
from bus_schemas.alert import Sighting
from tests.alert.boards import RULES, Played, hot, hub_gone


def test_many_alerts_of_one_rule_are_one_mail_and_so_are_their_ends() -> None:
    played = Played()
    played.seconds(5, hot("1", 31))
    played.seconds(300, *(hot(str(id), 40) for id in range(1, 31)))
    [first] = played.mails
    assert "30 alerts" in first.subject and first.to == ("ops@example.com",) and len(first.firing) == 30
    played.seconds(400)
    assert [mail.subject.split(":")[0] for mail in played.mails] == ["[OTTB] warning", "[OTTB] resolved"]
    over = played.mails[1]
    assert "Resolved (30)" in over.text and over.firing == () and len(over.resolved) == MOST_OVER
    assert "and 10 more" in over.text and all(not group.over for group in played.board.groups.values())


def test_another_rule_and_another_host_are_mails_of_their_own() -> None:
    played = Played()
    played.sees(hot("7", 31), host="b")
    played.seconds(14, hot("1", 31), hub_gone(6, "HUB2"))
    assert sorted(mail.group for mail in played.mails) == ["hot a", "hot b", "hub a"]


def test_what_comes_later_waits_for_the_interval() -> None:
    played = Played()
    played.seconds(20, hot("1", 31))
    played.seconds(60, hot("1", 50), hot("2", 31))
    assert len(played.mails) == 1
    played.seconds(60, hot("1", 150), hot("2", 91))
    assert [len(mail.firing) for mail in played.mails] == [1, 2]


def test_what_fires_on_and_nobody_looks_after_is_told_again() -> None:
    played = Played()
    for _ in range(800):
        played.sees(hot("1", 31))
        played.second(10)
    assert len(played.mails) == 1 + int(8000 / RULES.mailing.repeat)


def test_a_server_that_is_away_gets_one_mail_with_all_of_it_when_it_is_back() -> None:
    played = Played()
    played.takes_mail = False
    played.seconds(100, hot("1", 31))
    played.seconds(100)
    tries = len(played.mails)
    assert 2 <= tries <= 6 and played.memory.mails.failing_since is not None
    played.seconds(500, hot("2", 31))
    assert len(played.mails) <= 9
    played.takes_mail = True
    before = len(played.mails)
    played.seconds(int(LONGEST_PAUSE) + 10, hot("2", 600))
    [mail] = played.mails[before : before + 1]
    assert all(words in mail.text for words in ("Resolved (1)", "Slot 1 is", "Firing (1)", "Slot 2 is"))
    assert played.memory.mails.failing_since is None
    assert len(played.mails) == before + 1


def test_a_server_that_is_away_for_long_is_an_alert_itself() -> None:
    played = Played()
    played.takes_mail = False
    played.seconds(200, hot("1", 31))
    assert [one.rule for one in played.fired] == ["hot", "mail"]
    played.takes_mail = True
    played.seconds(700, hot("1", 300))
    assert [one.rule for one in played.resolved] == ["mail"]


def test_a_mail_that_may_have_gone_has_the_same_id_from_the_next_owner() -> None:
    played = Played()
    played.takes_mail = False  # as for a host that ends before it has heard
    played.seconds(20, hot("1", 31))
    first = played.mails[0]
    played.take_over()
    played.seconds(3, hot("1", 60))
    assert played.mails[-1].id == first.id and played.mails[-1].text == first.text


@pytest.mark.parametrize("name", ["x\r\nBcc: all@example.com", "x\nSubject: y", "x\u2028y\0z", "x" * 500])
def test_no_name_becomes_a_header(name: str) -> None:
    played = Played()
    played.seconds(20, Sighting(rule="hot", kind="slot", id="1", seconds=31, words=f"{name} is hot"))
    [mail] = played.mails
    assert mail.subject.isprintable() and len(mail.subject) <= 120
