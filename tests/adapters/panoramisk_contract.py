"""Ten conversations of panoramisk, a client that nobody here wrote, with a PBX, virtual or real: both are asked the
same, and both must say the same, to the last header."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from panoramisk import Manager

from tests.support.pbx import SECRET, Address, Wire
from tests.support.site import PATIENCE

CHANNEL = {
    "Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName", "ConnectedLineNum",
    "ConnectedLineName", "Language", "AccountCode", "Context", "Exten", "Priority", "Uniqueid", "Linkedid",
}  # fmt: skip
CAUSE = {"Cause", "Cause-txt"}
# What each message consists of beside its kind and the action's id; `Privilege` is there too where an event comes
# unasked. (Of an empty last line panoramisk tells nothing: `BridgeId` of CoreShowChannel.)
HEADERS: Mapping[str, set[str]] = {
    "FullyBooted": {"Privilege", "Status", "Uptime", "LastReload"},
    "Newstate": {"Privilege", *CHANNEL},
    "HangupRequest": {"Privilege", *CHANNEL, "Cause"},
    "Hangup": {"Privilege", *CHANNEL, *CAUSE},
    "DialEnd": {"Privilege", *CHANNEL, *(f"Dest{name}" for name in CHANNEL), "DialStatus"},
    "OriginateResponse": {
        "Privilege", "Response", "Channel", "Context", "Exten", "Reason", "Uniqueid", "CallerIDNum", "CallerIDName",
    },
    "Cdr": {
        "Privilege", "AccountCode", "Source", "Destination", "DestinationContext", "CallerID", "Channel",
        "DestinationChannel", "LastApplication", "LastData", "StartTime", "AnswerTime", "EndTime", "Duration",
        "BillableSeconds", "Disposition", "AMAFlags", "UniqueID",
    },
    "Status": {
        "Privilege", *CHANNEL, "Type", "DNID", "EffectiveConnectedLineNum", "EffectiveConnectedLineName",
        "TimeToHangup", "BridgeID", "Application", "Data", "Nativeformats", "Readformat", "Readtrans", "Writeformat",
        "Writetrans", "Callgroup", "Pickupgroup", "Seconds",
    },
    "StatusComplete": {"EventList", "ListItems", "Items"},
    "CoreShowChannel": {*CHANNEL, "Application", "ApplicationData", "Duration"},
    "CoreShowChannelsComplete": {"EventList", "ListItems"},
    "OutboundRegistrationDetailComplete": {"EventList", "ListItems", "Registered", "NotRegistered"},
}  # fmt: skip
EVENTS = "call,system,cdr"
Message = dict[str, str]


class Talk:
    """One connection of panoramisk's, with what it has heard."""

    def __init__(self, port: int, *, secret: str | None = None) -> None:
        login = {} if secret is None else {"username": "ottb", "secret": secret, "events": EVENTS}
        self.manager = Manager(host="127.0.0.1", port=port, **login)
        self.manager.reconnect_timeout = 0.05  # it takes whole seconds only in its settings
        self.boots = asyncio.Semaphore(0)  # logins after which the PBX said that all is there
        self.heard: list[Message] = []
        self.manager.register_event("*", lambda _, event: self._take(dict(event.items())))

    def _take(self, event: Message) -> None:
        if event["Event"] == "ContactStatus":  # comes when it likes
            return
        self.heard.append(_checked(event))
        if event["Event"] == "FullyBooted":
            self.boots.release()

    async def booted(self) -> None:
        """Wait for one more."""
        async with asyncio.timeout(PATIENCE):
            await self.boots.acquire()

    async def ask(self, action: str, **fields: str) -> list[Message]:
        """All messages that answer an action."""
        answer = await asyncio.wait_for(self.manager.send_action({"Action": action, **fields}), PATIENCE)
        messages = answer if isinstance(answer, list) else [answer]
        return [_checked(dict(one.items())) for one in messages]

    async def originate(
        self, call_id: str, number: str, *, context: str = "ottb-slots", exten: str = "12", seconds: int = 5
    ) -> Any:
        return await self.ask(
            "Originate", Channel=f"PJSIP/{number}@trunk-1", ChannelId=call_id, Async="true", Exten=exten, Priority="1",
            Timeout=str(1000 * seconds), Context=context,
        )  # fmt: skip

    async def until(self, event: str, call_id: str) -> Message:
        async with asyncio.timeout(PATIENCE):
            while True:
                for one in self.heard:
                    if one["Event"] == event and call_id in (one.get("Uniqueid"), one.get("UniqueID")):
                        return one
                await asyncio.sleep(0.02)

    def close(self) -> None:
        self.manager.reconnect_timeout = 10**6
        self.manager.close()


def _checked(message: Message) -> Message:
    """A message whose headers are the right ones."""
    kind = message.get("Event", "")
    if kind in HEADERS:
        assert set(message) - {"Event", "ActionID", "content", "TechCause"} == HEADERS[kind], message
    return message


@asynccontextmanager
async def talk(port: int) -> AsyncIterator[Talk]:
    one = Talk(port)
    await one.manager.connect()
    await asyncio.sleep(0)  # its connection is made in a callback
    try:
        yield one
    finally:
        one.close()


class PanoramiskContract:
    """A subclass gives `address`."""

    @pytest.fixture(autouse=True)
    def _quiet(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.CRITICAL, logger="panoramisk")

    @pytest.fixture
    async def client(self, address: Address) -> AsyncIterator[Talk]:
        async with talk(address.port) as one:
            await one.ask("Login", Username="ottb", Secret=SECRET, Events=EVENTS)
            await one.booted()
            yield one

    async def test_a_login_is_accepted_and_told_that_all_is_there(self, address: Address) -> None:
        async with talk(address.port) as one:
            assert (await one.ask("Ping"))[0]["Message"] == "Permission denied"
            (answer,) = await one.ask("Login", Username="ottb", Secret=SECRET, Events=EVENTS)
            assert (answer["Response"], answer["Message"]) == ("Success", "Authentication accepted")
            await one.booted()
            assert [event["Event"] for event in one.heard] == ["FullyBooted"]

    async def test_a_wrong_secret_is_refused(self, address: Address) -> None:
        async with talk(address.port) as one:
            (answer,) = await one.ask("Login", Username="ottb", Secret="wrong")
            assert (answer["Response"], answer["Message"]) == ("Error", "Authentication failed")

    async def test_an_answered_call(self, client: Talk) -> None:
        answers = await client.originate("c_talk1", "+380991230006")
        assert [one.get("Message", one.get("Reason")) for one in answers] == ["Originate successfully queued", "4"]
        end = await client.until("Hangup", "c_talk1")
        cdr = await client.until("Cdr", "c_talk1")
        assert (end["Cause"], end["Exten"], cdr["Disposition"], cdr["Destination"]) == ("16", "12", "ANSWERED", "12")
        states = [one["ChannelStateDesc"] for one in client.heard if one["Event"] == "Newstate"]
        assert states == ["Ringing", "Up"]
        assert "HangupRequest" in [one["Event"] for one in client.heard]

    @pytest.mark.parametrize(
        ("number", "seconds", "reason", "cause", "tech", "disposition"),
        [
            ("+380991230001", 5, "0", "17", "486", "BUSY"),
            ("+380991230003", 5, "0", "21", "403", "NO ANSWER"),
            ("+380991230002", 1, "3", "19", "480", "NO ANSWER"),
            ("", 5, "0", "1", "404", "NO ANSWER"),
        ],
    )
    async def test_a_call_that_is_not_answered(
        self, client: Talk, number: str, seconds: int, reason: str, cause: str, tech: str, disposition: str
    ) -> None:
        call_id = f"c_talk2{cause}"
        _, verdict = await client.originate(call_id, number, seconds=seconds)
        assert (verdict["Response"], verdict["Reason"], verdict["Context"]) == ("Failure", reason, "ottb-slots")
        end = await client.until("Hangup", call_id)
        cdr = await client.until("Cdr", call_id)
        assert (end["Cause"], end["TechCause"], end["Context"], end["Exten"]) == (cause, tech, "nothing", "s")
        assert (cdr["Disposition"], cdr["Destination"], cdr["AnswerTime"]) == (disposition, "s", "")

    async def test_an_extension_that_is_not_there(self, client: Talk) -> None:
        (answer,) = await client.originate("c_talk3", "+380991230001", context="nowhere")
        assert (answer["Response"], answer["Message"]) == ("Error", "Extension does not exist.")

    async def test_an_extension_that_is_busy(self, client: Talk) -> None:
        await client.originate("c_talk8", "+380991230007", exten="82")
        end = await client.until("Hangup", "c_talk8")
        dialled = await client.until("DialEnd", "c_talk8")
        assert (dialled["DialStatus"], end["Cause"], end["TechCause"], end["Exten"]) == ("BUSY", "17", "486", "82")

    async def test_a_status_of_one_and_of_all(self, client: Talk) -> None:
        await client.originate("c_talk4", "+380991234567")
        for fields in ({"Channel": "c_talk4"}, {}):
            start, status, done = await client.ask("Status", **fields)
            assert (start["EventList"], start["Message"]) == ("start", "Channel status will follow")
            assert (status["Uniqueid"], status["ChannelState"], done["ListItems"]) == ("c_talk4", "6", "1")
        (answered,) = await client.ask("Getvar", Channel="c_talk4", Variable="CDR(answer,u)")
        (now,) = await client.ask("Ping")
        assert 0 <= float(now["Timestamp"]) - float(answered["Value"]) < 5
        await client.ask("Hangup", Channel="c_talk4")

    async def test_a_hang_up_and_what_is_gone(self, client: Talk) -> None:
        await client.originate("c_talk5", "+380991234567")
        (answer,) = await client.ask("Hangup", Channel="c_talk5", Cause="16")
        assert (answer["Response"], answer["Message"]) == ("Success", "Channel Hungup")
        assert (await client.until("Hangup", "c_talk5"))["Cause"] == "16"
        for action, more in (("Hangup", {}), ("Status", {}), ("Getvar", {"Variable": "x"})):
            (refused,) = await client.ask(action, Channel="c_talk5", **more)
            assert (refused["Response"], refused["Message"]) == ("Error", "No such channel")

    async def test_lists_that_are_empty_and_one_that_is_not(self, client: Talk) -> None:
        for action in ("CoreShowChannels", "Status", "PJSIPShowRegistrationsOutbound"):
            start, done = await client.ask(action)
            assert (start["EventList"], done["EventList"], done["ListItems"]) == ("start", "Complete", "0"), action
        await client.originate("c_talk6", "+380991234567")
        _, row, done = await client.ask("CoreShowChannels")
        assert (row["Uniqueid"], row["ChannelState"], done["ListItems"]) == ("c_talk6", "6", "1")
        await client.ask("Hangup", Channel="c_talk6")

    async def test_what_our_user_may_not_do_and_what_nobody_can(self, client: Talk) -> None:
        for action in ("Command", "GetConfig", "PJSIPShowContacts"):
            assert (await client.ask(action))[0]["Message"] == "Permission denied", action
        (unknown,) = await client.ask("Nonsense")
        assert unknown["Message"].startswith("Invalid/unknown command: Nonsense.")
        assert (await client.ask("Logoff"))[0]["Response"] == "Goodbye"

    async def test_a_cut_after_which_the_call_is_still_there(self, address: Address) -> None:
        async with Wire(address.port) as wire:
            client = Talk(wire.port, secret=SECRET)
            await client.manager.connect()
            await client.booted()
            await client.originate("c_talk7", "+380991234567")
            wire.cut()
            await client.booted()
            _, row, _ = await client.ask("CoreShowChannels")
            assert row["Uniqueid"] == "c_talk7"
            await client.ask("Hangup", Channel="c_talk7")
            assert (await client.until("Hangup", "c_talk7"))["Cause"] == "0"  # none was asked for
            client.close()
