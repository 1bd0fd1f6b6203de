"""The board of alerts: one for the site, on whichever host has its shard."""

import asyncio
from typing import ClassVar

import structlog

from actors.alert import machine
from actors.alert.machine import BoardDecision, Heard, Memory
from actors.alert.mail import SendMail, TriedMail
from actors.alert.mailer import Mailer, NotTaken
from actors.alert.record import Board, evolve, view
from actors.alert.rules import Rules
from actors.runtime.actor import Actor
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import Effect, TimerFired
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.moments import moment as given_moment
from bus_schemas.alert import (
    ACKNOWLEDGE_ALERT,
    END_SILENCE,
    LIST_SILENCES,
    LOOK_AT_BOARD,
    MAKE_SILENCE,
    AcknowledgeAlert,
    AlertEvent,
    AlertView,
    BoardActivated,
    BoardStands,
    EndSilence,
    ListSilences,
    LookAtBoard,
    MakeSilence,
    SilenceView,
)
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import misfit

log = structlog.get_logger()

FRESH = 1.0  # seconds for which what stands is shown: making it takes 30 us for each thing that is wrong
MAIL_DEADLINE = 330.0  # seconds; a mailer has one of its own, this is for one that forgets it


class AlertBoard(Actor[Board, AlertEvent, Memory, Heard | TriedMail]):
    """All alerts of the site. `mailer` None: there is no server for e-mails, and none is said to have been sent."""

    kind: ClassVar[str] = "alert"
    state_type = Board
    topics = topics_of("alert")
    snapshots: ClassVar[bool] = True

    __slots__ = ("_mailer", "_memory", "_rules", "_stood")

    def __init__(self, *, id: str, host: Host, rules: Rules, mailer: Mailer | None) -> None:
        super().__init__(id=id, host=host)
        self._rules = rules
        self._mailer = mailer
        self._memory = Memory(began=host.clock.monotonic())
        self._stood = Board(), 0.0, BoardStands()

    # --- commands

    def acknowledge(self, request: AcknowledgeAlert, context: Context) -> Outcome[AlertView]:
        decision = machine.acknowledge(self._board, request.alert, request.note, context.user, self._now)
        return Outcome(decision=decision, reply=lambda: view(self._board, self._board.alerts[request.alert]))

    def silence(self, request: MakeSilence, context: Context) -> Outcome[SilenceView]:
        id, until = derived("si", context.user, context.command_id), given_moment(request.until, "until")
        if until is None:
            raise misfit("until", "until when?")
        decision = machine.silence(
            self._board, id, request.matcher, until, request.why, context.user, self._now
        )
        return Outcome(decision=decision, reply=lambda: self._board.silences[id])

    def unsilence(self, request: EndSilence, context: Context) -> Outcome[SilenceView]:
        was = self._board.silences.get(request.silence)
        decision = machine.unsilence(self._board, request.silence, context.user, self._now)
        assert was is not None
        return Outcome(decision=decision, reply=was)

    def silences(self, request: ListSilences, context: Context) -> Outcome[list[SilenceView]]:
        return Outcome(decision=BoardDecision(), reply=[*self._board.silences.values()][::-1])

    def stands(self, request: LookAtBoard, context: Context) -> Outcome[BoardStands]:
        return Outcome(decision=BoardDecision(), reply=machine.about(self._stands(), request.alert))

    commands = by_verb(
        command(ACKNOWLEDGE_ALERT, acknowledge), command(MAKE_SILENCE, silence), command(END_SILENCE, unsilence),
        command(LIST_SILENCES, silences), command(LOOK_AT_BOARD, stands),
    )  # fmt: skip
    orders = by_type()
    evolve = staticmethod(evolve)

    # --- the machine's place

    def _stands(self) -> BoardStands:
        """Made once a second at most, while nothing of it is on record."""
        board, now = self._board, self._now
        made_of, made, found = self._stood
        if made_of is not board or now.mono - made >= FRESH:
            found = machine.stands(board, self._memory, self._rules, now)
            self._stood = board, now.mono, found
        return found

    @property
    def _board(self) -> Board:
        return self.state or Board()

    @property
    def _now(self) -> Moment:
        return moment(self._host.clock)

    def observe(self, report: Heard | TriedMail | TimerFired, now: Moment) -> BoardDecision:
        return machine.observe(self._board, self._memory, report, self._rules, now)

    def resume(self, now: Moment) -> BoardDecision:
        return machine.begin(now)

    def remember(self, memory: Memory) -> None:
        self._memory = memory

    def barrier(self, now: Moment, epoch: int) -> BoardActivated:
        return BoardActivated(at=now.at, host=self._host.name, epoch=epoch)

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, SendMail):
            self.spawn(self._send(effect))
        else:
            super().perform(effect)

    async def _send(self, mail: SendMail) -> None:
        """Who is not certain to own the board sends nothing: the owner does."""
        error = None
        try:
            if self._mailer is None:
                raise NotTaken("there is no mail server in the settings ([alerts.smtp] host)")
            if not self._host.may_act:
                raise NotTaken("this host is not sure that it owns the alerts now")
            async with asyncio.timeout(MAIL_DEADLINE):
                await self._mailer.send(to=mail.to, subject=mail.subject, text=mail.text, id=mail.id)
        except (NotTaken, TimeoutError) as refused:
            error = str(refused) or "it took too long"
            log.warning("an e-mail about alerts was not sent", group=mail.group, error=error)
        self.tell(TriedMail(mail=mail, error=error))
