"""What pipelines say of a person: parameters of runs, what steps write, texts of definitions."""

import asyncio
from typing import Any

import msgspec
import pytest

from actors.erasure.desk import Desk
from actors.erasure.in_use import InUse
from actors.erasure.logged import About, Outputs
from actors.erasure.person import NOTHING_SAID, Person, Traces, in_full, telling
from actors.erasure.redacting import Redactor
from actors.runtime.marks import Marks
from bus_schemas.campaign import RUN_CAMPAIGN, RunCampaign
from bus_schemas.catalogue import topic_of
from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, ErasePerson, ErasureView, GetErasure
from bus_schemas.lead import GivenLead
from bus_schemas.pipeline_events import OutputLines, output_subject
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play

MARKS = Marks(b"key")
AT = "2026-01-01T00:00:00.000Z"
NUMBER, NAME = "+380683212010", "Zinaida Vyshyvanko"
PERSON = Person(
    numbers=frozenset({NUMBER}), texts=frozenset(telling(NAME, {"street": "Vodohinna 77"})),
    names=frozenset(in_full(NAME)),
)  # fmt: skip
TRACES = Traces(PERSON, MARKS)
TEXT = f'id = 7\nname = "p"\n[[steps]]\ndo = "adb"\ncommand = "am start tel:{NUMBER} # {NAME}"\n'


def defined(version: int, text: str = TEXT) -> dict[str, Any]:
    return {
        "pipeline": 7, "at": AT, "by": "op", "name": "p", "version": version, "source": "api", "branch": None,
        "labels": [], "text": text,
    }  # fmt: skip


def queued(run: int, version: int = 1, **parameters: Any) -> dict[str, Any]:
    return {
        "pipeline": 7, "run": run, "at": AT, "trigger": "api", "user": "op", "branch": None, "parameters": parameters,
        "version": version, "name": "p", "labels": [],
    }  # fmt: skip


def step(**more: Any) -> dict[str, Any]:
    return {"pipeline": 7, "run": 1, "at": AT, "step": "a", "status": "succeeded", **more}


def ended(run: int) -> dict[str, Any]:
    return {"pipeline": 7, "run": run, "at": AT, "name": "p", "status": "succeeded"}


def in_use(*events: tuple[str, dict[str, Any]]) -> InUse:
    found = InUse(TRACES)
    for verb, said in events:
        found.take(f"ottb.v1.evt.pipeline.7.{verb}", msgspec.json.encode(said))
    return found


def after(verb: str, said: dict[str, Any], redactor: Redactor | None = None) -> Any:
    """What an entry says afterwards. It is an event of its kind."""
    subject = f"ottb.v1.evt.pipeline.7.{verb}"
    topic = topic_of(subject)
    assert topic is not None
    msgspec.convert(said, topic.event)
    found = (redactor or Redactor(TRACES)).redacted(subject, msgspec.json.encode(said), {})
    if found is None:
        return said
    msgspec.json.decode(found[0], type=topic.event)
    return msgspec.json.decode(found[0])


def test_parameters_of_runs_say_nothing_of_the_person() -> None:
    given = queued(1, who=NAME, to=NUMBER, text=f"for {NAME}, {NUMBER}", digits=380683212010, dry=True, count=3)
    assert after("queued", given)["parameters"] == {
        "who": NOTHING_SAID, "to": MARKS.of(NUMBER), "text": f"for {NOTHING_SAID}, {NOTHING_SAID}",
        "digits": NOTHING_SAID, "dry": True, "count": 3,
    }  # fmt: skip


def test_what_steps_came_to_says_nothing_of_the_person() -> None:
    said = step(
        matrix={"who": NAME, "os": "x"}, slots=[{"slot": 4, "ok": True, "said": f"rang {NAME} {NUMBER}"}],
        artefacts=[{"artefact": "a1", "name": f"out/{NAME}.txt", "size": 1, "sha256": "0" * 64}],
    )  # fmt: skip
    found = after("step", said)
    assert found["matrix"] == {"who": NOTHING_SAID, "os": "x"}
    assert found["slots"][0]["said"] == f"rang {NOTHING_SAID} {NOTHING_SAID}"
    assert found["artefacts"][0] == {"artefact": "a1", "name": f"out/{NOTHING_SAID}.txt", "size": 1, "sha256": "0" * 64}


def test_a_definition_in_use_stays_and_is_told() -> None:
    for text in (f"x = '{NUMBER}'", f"x = '{NAME}'"):
        redactor = Redactor(TRACES, former=in_use(("defined", defined(1, text))).former)
        assert after("defined", defined(1, text), redactor) == defined(1, text) and redactor.left == 1
    redactor = Redactor(TRACES)
    assert after("defined", defined(1, "x = 'Zinaida'"), redactor) == defined(1, "x = 'Zinaida'")
    assert redactor.left == 0, "a word alone is many people's"


def test_a_definition_that_nobody_runs_any_more_says_nothing_of_the_person() -> None:
    events = [("defined", defined(1)), ("defined", defined(2)), ("queued", queued(1, version=2)),
              ("defined", defined(3, "clean"))]  # fmt: skip
    assert in_use(*events).former == {(7, 1)}
    events.append(("ended", ended(1)))
    former = in_use(*events).former
    assert former == {(7, 1), (7, 2)}
    redactor = Redactor(TRACES, former=former)
    found = after("defined", defined(1), redactor)
    assert found == defined(1, TEXT.replace(NUMBER, NOTHING_SAID).replace(NAME, NOTHING_SAID)) and redactor.left == 0
    events.append(("deleted", {"pipeline": 7, "at": AT, "by": "op", "name": "p", "version": 3, "source": "api",
                               "host": "h"}))  # fmt: skip
    assert in_use(*events).former == {(7, 1), (7, 2), (7, 3)}


def test_runs_that_say_something_are_known_until_they_are_over() -> None:
    both = [("queued", queued(run, **given)) for run, given in ((1, {"who": NAME}), (2, {"who": "nobody"}),
                                                                (3, {"to": 380683212010}))]  # fmt: skip
    assert in_use(*both).runs == {(7, 1), (7, 3)}
    assert in_use(*both, ("ended", ended(1))).runs == {(7, 3)}


def test_a_run_that_goes_on_keeps_its_parameters_and_is_told() -> None:
    redactor = Redactor(TRACES, going=in_use(("queued", queued(1, who=NAME))).runs)
    assert after("queued", queued(1, who=NAME), redactor) == queued(1, who=NAME) and redactor.left == 1
    assert after("queued", queued(2, who=NAME), redactor)["parameters"] == {"who": NOTHING_SAID} and redactor.left == 1


# --- what steps write


def outputs(*texts: str, of: str = "a") -> dict[int, About]:
    """What is found in these entries."""
    found = Outputs(TRACES)
    for seq, text in enumerate(texts, 1):
        lines = OutputLines(pipeline=7, run=1, step=of, first=1, offset=0, text=text)
        found.take(seq, output_subject(7, 1, of), msgspec.json.encode(lines))
    return dict(found.found)


def test_what_steps_write_goes_by_number_and_by_name_in_full() -> None:
    assert outputs(f"a\nto {NUMBER}\n", "b\n", "VYSHYVANKO, Zinaida\n", "Vyshyvanko alone\n", "068 321-20-10") == {
        1: About.NUMBER, 3: About.NAME, 5: About.NUMBER
    }  # fmt: skip


@pytest.mark.parametrize(("parts", "what"), [
    (("x" * 300 + "tel 0683", "212010 y" + "z" * 300), About.NUMBER), (("to Zinaida\n", "Vyshyvanko\n"), About.NAME),
])  # fmt: skip
def test_what_is_said_over_two_entries_goes_with_both(parts: tuple[str, str], what: About) -> None:
    assert outputs(*parts) == {1: what, 2: what}
    assert outputs(parts[0], "and another\n", parts[1]) == {}
    assert outputs(f"{NUMBER}\n", "\n", "after it\n") == {1: About.NUMBER}


# --- on a site


MOBILE = mobile(1, "2003")


async def say_of_pipeline(bus: MemoryBus, verb: str, said: dict[str, Any]) -> None:
    subject = f"ottb.v1.evt.pipeline.7.{verb}"
    last = await bus.last("ottb.v1.evt.pipeline.7.>")
    headers = {"Nats-Msg-Id": f"{verb}{said.get('run', 0)}-{said.get('version', 0)}"}
    await bus.append(
        subject, msgspec.json.encode(said), headers, scope="ottb.v1.evt.pipeline.7.>", expect=last.seq if last else 0
    )


def test_an_erasure_waits_for_a_run_and_takes_what_it_wrote() -> None:
    async def story(site: Campaigns) -> None:
        bus = site.world.gateways[0]
        await site.create("c1", attempts_per_lead=1)
        lead = GivenLead(number=MOBILE, name=NAME)
        await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=(lead,)))
        await site.until_over("c1")
        await say_of_pipeline(bus, "queued", queued(1, who=NAME))
        await say_of_pipeline(bus, "queued", queued(2, who=NAME))
        await say_of_pipeline(bus, "ended", ended(2))
        wanted = ErasePerson(numbers=(MOBILE,), reason="letter")
        begun: ErasureView = await site.until_done(ERASE_PERSON, wanted)
        await asyncio.sleep(60)
        assert (await _erasure(site, begun.erasure)).status == "running"
        lines = OutputLines(pipeline=7, run=1, step="a", first=1, offset=0, text=f"hello {NAME}\n")
        for number, said in enumerate((lines, msgspec.structs.replace(lines, step="b", text="hello nobody\n"))):
            subject = output_subject(7, 1, said.step)
            await bus.outputs.write(subject, msgspec.json.encode(said), {"Nats-Msg-Id": f"o{number}"})
        await say_of_pipeline(bus, "queued", queued(3, who="zinaida"))  # of somebody who is called so, too
        await say_of_pipeline(bus, "ended", ended(1))
        async with asyncio.timeout(120):
            while (found := await _erasure(site, begun.erasure)).ended is None:
                await asyncio.sleep(1.0)
        assert (found.status, found.erased.outputs) == ("done", 1)
        told = [entry.data for entry in site.world.broker.journal if b"zinaida" in entry.data]
        assert len(told) == 1 and b'"run":3' in told[0], "a run that began later was neither waited for nor changed"
        assert [entry.data async for entry in bus.outputs.replay("ottb.v1.out.>") if b"nobody" in entry.data]
        kept = [*site.world.broker.journal, *site.world.broker.outputs.entries]
        assert not any(b"Vyshyvanko" in entry.data for entry in kept)

    play(story)


def test_a_run_that_begins_while_the_journal_is_read_keeps_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, look = list[InUse](), Desk._in_use

    async def story(site: Campaigns) -> None:
        bus = site.world.gateways[0]

        async def looked(self: Desk, traces: Traces) -> InUse:
            looks.append(found := await look(self, traces))
            if len(looks) == 2:
                await say_of_pipeline(bus, "queued", queued(1, who=NAME))
            return found

        monkeypatch.setattr(Desk, "_in_use", looked)
        await site.create("c1", attempts_per_lead=1)
        lead = GivenLead(number=MOBILE, name=NAME)
        await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=(lead,)))
        await site.until_over("c1")
        begun: ErasureView = await site.until_done(ERASE_PERSON, ErasePerson(numbers=(MOBILE,), reason="letter"))
        async with asyncio.timeout(120):
            while (found := await _erasure(site, begun.erasure)).ended is None:
                await asyncio.sleep(1.0)
        [told] = [entry for entry in site.world.broker.journal if entry.subject.endswith("pipeline.7.queued")]
        assert NAME.encode() in told.data and found.erased.left == 1 and len(looks) > 2

    play(story)


async def _erasure(site: Campaigns, erasure: str) -> ErasureView:
    found: ErasureView = await site.until_done(GET_ERASURE, GetErasure(erasure=erasure))
    return found
