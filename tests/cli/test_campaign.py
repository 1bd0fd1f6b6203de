"""`ottb campaign`: what becomes of a list, and the board."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from actors.dialing.rules import DialRules
from actors.leads.given import texts_of
from actors.leads.lead import Accepted
from actors.leads.rows import Rows
from bus_schemas.campaign import CampaignRun
from bus_schemas.lead import GivenLead, Lead
from cli.board import PATIENCE, Watched, explanation, watch
from cli.campaign import Send, given_of, id_for, run
from cli.gateway import NotDone
from ottb_client import ApiError
from ottb_client.errors import unreached

RULES = DialRules(site_region="UA", countries=frozenset({"UA"}))
LIST = "Телефон;Имя;Город\n0991230001;Олена;Київ\n12;x;y\n+380991230001;again;\n0991230002;;\n"
FULL = Lead(
    id="lead-7", numbers=("+380991230006", "+380991230007"), name="Olena", timezone="Europe/Kyiv", priority=5,
    language="uk", source="spring", consent=False, custom={"city": "Kyiv"},
)  # fmt: skip


Bodies = list[Any]


def api(bodies: Bodies, *refused: int, status: str = "running") -> Send:
    """Takes all leads but those of some rows of a request, from 1. `status`: of the campaign then."""

    def send(leads: Sequence[GivenLead], goes_on: bool) -> CampaignRun:
        bodies.append({"leads": msgspec.to_builtins(leads), "goes_on": goes_on})
        named = [{"row": row, "field": "timezone", "reason": "no such zone"} for row in refused]
        answer = {"status": status, "accepted": len(leads) - len(named), "duplicates": 0, "invalid": named}
        return msgspec.convert({"campaign_id": "spring", **answer}, CampaignRun)

    return send


def not_now(message: str, again: float) -> ApiError:
    return ApiError("RATE_LIMITED", message, status=429, retry_after=again)


@pytest.fixture
def list_(tmp_path: Path) -> Path:
    file = tmp_path / "spring.csv"
    file.write_text(LIST)
    return file


def test_titles_above_the_list_are_skipped_and_told(tmp_path: Path) -> None:
    file, bodies = tmp_path / "titled.csv", Bodies()
    file.write_text(f"Leads of spring;;\n{LIST}")
    said = ran(file, api(bodies))
    assert said[0] == "skipped above the list: row 1" and "row 4: number" in said[1]
    assert [lead["number"] for lead in bodies[0]["leads"]] == ["+380991230001", "+380991230002"]


def ran(
    file: Path, send: Send, columns: list[str] | None = None, skip: int | None = None, header: bool | None = None
) -> list[str]:
    said: list[str] = []
    run(send, file, RULES, said.append, columns, skip=skip, header=header)
    return said


@pytest.mark.parametrize("lead", [FULL, Lead(id="lead_1", numbers=("+380991230006",))])
def test_a_lead_comes_back_as_it_was_given(lead: Lead) -> None:
    outcome = Rows(RULES).take(1, texts_of(given_of(lead)))
    assert isinstance(outcome, Accepted) and outcome.lead == lead


def test_rows_are_told_by_their_place_in_the_file(list_: Path) -> None:
    bodies: Bodies = []
    said = ran(list_, api(bodies, 2))
    assert [lead["number"] for lead in bodies[0]["leads"]] == ["+380991230001", "+380991230002"]
    assert said[0].startswith("row 3: number: ") and said[1:] == [
        "row 5: timezone: no such zone", "1 new, 1 duplicate, 2 invalid",
    ]  # fmt: skip


def test_columns_are_what_a_person_says(list_: Path) -> None:
    bodies: Bodies = []
    ran(list_, api(bodies), ["number", "", "custom:town"])
    assert bodies[0]["leads"][0]["custom"] == {"town": "Київ"} and "name" not in bodies[0]["leads"][0]


def test_columns_that_cannot_be_are_refused(list_: Path) -> None:
    with pytest.raises(NotDone, match="--columns: `nonsense` is no field of a lead"):
        ran(list_, api([]), ["number", "nonsense"])


def test_a_person_says_how_many_rows_are_titles(tmp_path: Path) -> None:
    file, bodies = tmp_path / "titled.csv", Bodies()
    file.write_text("phone;whom\n0991230009;old\nWhom;Town;phone\nAnn;Lviv;0991230001\nBo;Kyiv;0991230002\n")
    said = ran(file, api(bodies), skip=2)
    assert said[0] == "skipped above the list: rows 1 to 2" and len(bodies[0]["leads"]) == 2
    assert bodies[0]["leads"][0] | {"lead_id": ""} == {
        "number": "+380991230001", "lead_id": "", "custom": {"Whom": "Ann", "Town": "Lviv"},
    }  # fmt: skip
    bodies.clear()
    assert ran(file, api(bodies), ["name", "", "number"], skip=0)[0].startswith("row 2: number")


def test_a_person_says_that_there_is_no_header(tmp_path: Path) -> None:
    file, bodies = tmp_path / "bare.csv", Bodies()
    file.write_text("Client;12\nBo;0991230002\nCy;0991230003\n")
    for columns in (None, ["name", "number"]):
        bodies.clear()
        assert ran(file, api(bodies), columns, header=False)[-1] == "2 new, 0 duplicate, 1 invalid"
        assert [lead["name"] for lead in bodies[0]["leads"]] == ["Bo", "Cy"]


def test_who_says_the_columns_stays_warned_of_unsure_ones(tmp_path: Path) -> None:
    file = tmp_path / "abroad.csv"
    file.write_text("phone;Land;whom\n" + "+380991230001;UA;Ann\n" * 60 + "501234567;PL;Bo\n")
    said = ran(file, api(Bodies()), ["number", "custom:Land", "name"])
    assert said[0].startswith("row 62: number: it may be another number if column 2 says its country")
    assert not any("another" in line for line in ran(file, api(Bodies()), ["number", "custom:from", "name"]))


@pytest.mark.parametrize("status", ["running", "finished"])
def test_a_list_in_several_bodies_is_one_run(list_: Path, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    monkeypatch.setattr("cli.campaign.BODY", 1)
    bodies: Bodies = []
    ran(list_, api(bodies, status=status))
    assert [body["goes_on"] for body in bodies] == [False, status == "running"]


@pytest.mark.parametrize("text", ["", "name\nOlena\n", "number\n12\n"])
def test_a_list_without_leads_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "empty.csv"
    file.write_text(text)
    with pytest.raises(NotDone, match=str(file)):
        ran(file, api([]))


@pytest.mark.parametrize("name", ["my list (1).csv", "liste-é.csv", "a" * 65 + ".csv"])
def test_a_file_name_that_names_no_campaign_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotDone, match="--id"):
        id_for(tmp_path / name)
    assert id_for(tmp_path / "spring_2026.csv") == "spring_2026"


# --- the board


FOUND = {
    "campaign_id": "spring", "status": "running", "leads": 1000, "attempts": 40, "in_progress": 10, "answered": 12,
    "abandoned": 1, "talk_seconds": 600, "answer_rate": 0.4, "abandoned_share": 0.083,
    "by_status": {"new": 960, "in_progress": 28, "done": 12},
}  # fmt: skip
WHY = {"reasons": [
    {"reason": "ready", "leads": 3, "words": "it may be called", "until": None, "change": ""},
    {"reason": "hours", "leads": 900, "words": "outside 08:00-21:00", "until": "2026-11-27T06:00:00.000Z",
     "change": "longer `hours`"},
]}  # fmt: skip


def drawn(watched: Watched, now: float) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(watched.look(now))
    return console.export_text()


def test_the_board_says_how_far_it_is_and_why() -> None:
    answers: Iterator[dict[str, Any]] = iter([FOUND, FOUND | {"attempts": 70}])
    watched = Watched(lambda: next(answers), lambda: WHY)
    first, second = drawn(watched, 0.0), drawn(watched, 30.0)
    assert "12 of 1,000 leads (1 %)" in first and "(0 a minute)" in first and "(60 a minute)" in second
    assert first.index("outside 08:00-21:00") < first.index("it may be called")  # most first
    assert "8.3 %" in first and not watched.over


def test_the_board_waits_while_nobody_answers() -> None:
    answers: Iterator[dict[str, Any] | None] = iter([FOUND, None, FOUND | {"status": "finished"}])

    def find() -> dict[str, Any]:
        if (found := next(answers)) is None:
            raise unreached("no gateway")
        return found

    watched = Watched(find, lambda: WHY)
    drawn(watched, 0.0)
    away = drawn(watched, 1.0)
    assert "no gateway" in away and "12 of 1,000" in away
    assert "finished" in drawn(watched, 2.0) and watched.over


def test_the_board_and_explain_say_how_it_dials() -> None:
    why = WHY | {"mode": "progressive", "fallback": "team_too_small", "no_extension": ["bob", "cid"]}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(explanation(why))
    for said in (drawn(Watched(lambda: FOUND, lambda: why), 0.0), console.export_text()):
        assert "progressive, since team_too_small" in said
        assert "no call can be taken to, for want of an extension: bob, cid" in said
    alone = drawn(Watched(lambda: FOUND, lambda: WHY | {"mode": "power", "fallback": None}), 0.0)
    assert "dials: power" in alone and "since" not in alone and "extension" not in alone


@pytest.mark.parametrize("terminal", [False, True])
def test_an_archived_campaign_is_over(terminal: bool) -> None:
    """Nobody says of one why it does not dial."""

    def refused() -> dict[str, Any]:
        raise ApiError("CONFLICT", "The campaign is archived. Make another one like it.", status=409)

    def no_sleep(seconds: float) -> None:
        raise AssertionError("it is waited for")

    console = Console(width=100, file=io.StringIO(), force_terminal=terminal)
    found = watch(console, lambda: FOUND | {"status": "archived"}, refused, no_sleep)
    assert found["status"] == "archived"


def test_without_a_terminal_lines_say_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now, clock = 0.0, []  # of each answer
    statuses = ["running"] * 7 + [None, "paused", "finished"]

    def find() -> dict[str, Any]:
        if (status := statuses.pop(0)) is None:
            raise unreached("no gateway")
        return FOUND | {"status": status}

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        clock.append(now)

    monkeypatch.setattr("cli.board.time.monotonic", lambda: now)
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    watch(console, find, lambda: WHY, sleep)
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    counts = "12 of 1,000 leads (1 %), 10 in progress, 40 attempts, 12 answered, 1 abandoned"
    running, over = f"spring running: {counts}", f"spring finished: {counts}"
    assert said[:5] == [running, running, "no gateway", f"spring paused: {counts}", over]  # at 0, 5, 7, 8 and 9 s
    assert "outside 08:00-21:00" in "".join(said[5:]) and clock[-1] == 9.0


class Site:
    """What the board asks, by a clock of its own. `refused`: what the next looks at the campaign meet, until it
    is over; `why`: what whoever asks why it does not dial meets."""

    def __init__(self, *refused: ApiError | None, why: ApiError | None = None) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._refused = list(refused)
        self._why = why

    def find(self) -> dict[str, Any]:
        if self._refused and (error := self._refused.pop(0)) is not None:
            raise error
        return FOUND | ({} if self._refused else {"status": "finished"})

    def explain(self) -> dict[str, Any]:
        if self._why is not None:
            raise self._why
        return WHY

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def watched(self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
        monkeypatch.setattr("cli.board.time.monotonic", lambda: self.now)
        console = Console(width=100, file=io.StringIO(), force_terminal=terminal)
        watch(console, self.find, self.explain, self.sleep)
        return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_board_comes_back_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    site = Site(None, not_now("Too much at once.", 7.0), None)
    said = site.watched(monkeypatch, terminal=terminal)
    assert "Too much at once." in said and "finished" in said and site.slept[:2] == [1.0, 7.0]


def test_the_board_goes_on_where_nobody_says_why_it_does_not_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(None, None, why=not_now("Campaigns are looked through for you. Wait.", 5.0))
    said = site.watched(monkeypatch, terminal=True)
    assert "looked through for you" in said and "12 of 1,000" in said and "finished" in said


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("error", [not_now("It takes too long.", 1.0), unreached("no gateway")])
def test_the_board_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, terminal: bool, error: ApiError) -> None:
    site = Site(*[error] * 10_000)
    with pytest.raises(NotDone, match=f"no answer for 5 minutes: {error}"):
        site.watched(monkeypatch, terminal=terminal)
    assert PATIENCE <= site.now < PATIENCE + 10


def test_an_answer_begins_the_wait_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    away = [not_now("Not now.", 50.0)] * 4
    assert "finished" in Site(*away, None, *away, None).watched(monkeypatch, terminal=False)
