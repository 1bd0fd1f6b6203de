"""A messenger: contacts with a search, chats, and calls inside the app, which are no phone calls."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from simulators.carrier.rules import OUT_OF_SERVICE, Planned, Step, plan_for
from simulators.phone.screens.app import App, Choice, Desk, Intent, Question
from simulators.phone.screens.app_call import NO_NETWORK_AFTER, SAID, SHOWN_FOR, AppCall, Outcome, Phase
from simulators.phone.screens.dialler import timer
from simulators.phone.screens.kit import BLUE, DARK, GREY, PALE, RED, WHITE, Kit
from simulators.phone.screens.node import Node, Paint, Rect
from simulators.phone.screens.people import PEOPLE, Person, found, person_of

PERMISSIONS = "com.google.android.permissioncontroller"
SEARCH, MESSAGE = "search", "message"
Row = Callable[[Rect], Node]


class Messenger(App):
    """`microphone`: it may record, without which there is no call; it asks at the first one after its data are gone."""

    name = "messenger"
    packages = ("org.telegram.messenger", "org.telegram.messenger")
    activities = ("org.telegram.ui.LaunchActivity", "org.telegram.ui.LaunchActivity")

    def __init__(self, desk: Desk, kit: Callable[[], Kit]) -> None:
        super().__init__(desk, kit)
        self.peer: Person | None = None
        self.call: AppCall | None = None
        self.said: dict[str, list[str]] = {}
        self.known = True  # signed in, with contacts
        self.microphone = True

    @property
    def ticks(self) -> bool:
        return self.page == "call" and self.call is not None and self.call.phase is Phase.CONNECTED

    def takes(self, intent: Intent) -> bool:
        return intent.action == "android.intent.action.VIEW" and _number_in(intent.data) is not None

    def start(self, intent: Intent) -> None:
        number = _number_in(intent.data)
        if number is None or not self.known or self._talks():
            return
        self.pages = ["main"]
        person = person_of(number)
        if person is None:
            self._tell("not a user")
        else:
            self._chat(person)

    def settle(self, now: float) -> None:
        call = self.call
        if call is None:
            return
        for at, phase in call.advance(now):
            self._note(call, at, phase)
        if call.ended is not None and now >= call.ended + SHOWN_FOR:
            self.call = None
            self.pages = [page for page in self.pages if page != "call"]

    def back(self) -> bool:
        """Out of a call that goes on nothing leads but to the home screen."""
        return False if self._talks() else super().back()

    def stop(self) -> None:
        if self.call is not None:
            self._end(Outcome.KILLED)
        self.call = self.peer = None
        super().stop()

    def clear(self) -> None:
        super().clear()
        self.said.clear()
        self.known = self.microphone = False

    # --- calls

    def _talks(self) -> bool:
        return self.call is not None and self.call.phase is not Phase.ENDED

    def _note(self, call: AppCall, at: float, phase: Phase) -> None:
        ended = call.outcome if phase is Phase.ENDED and call.outcome else phase
        self.desk.did("app_call_ended" if phase is Phase.ENDED else f"app_call_{phase}", call.number, ended, at=at)

    def _place(self) -> None:
        person = self.peer
        if person is None or self._talks():
            return
        if self.desk.body.telephony.live:
            self._tell("in a call")
        elif not self.microphone:
            self._ask_for_microphone()
        else:
            self._dial(person)

    def _dial(self, person: Person) -> None:
        plan = plan_for(person.number)
        if self.desk.on("airplane") and not self.desk.on("wifi"):
            plan = (Planned(after=NO_NETWORK_AFTER, step=Step.END, cause=OUT_OF_SERVICE),)
        self.call = AppCall(person.number, self.desk.now, plan, self.desk.body.telephony.scale)
        self.desk.did("app_call", person.number)
        self.go("call")

    def _ask_for_microphone(self) -> None:
        words = self.kit.words

        def allow() -> None:
            self.microphone = True
            self._place()

        prefix = "com.android.permissioncontroller:id/permission"
        choices = (
            Choice(words["allow"], f"{prefix}_allow_foreground_only_button", allow),
            Choice(words["do not allow"], f"{prefix}_deny_button"),
        )
        self.desk.ask(Question("microphone", PERMISSIONS, "", words["microphone"], choices, back=1, of=self.name))

    def _end(self, outcome: Outcome = Outcome.HANGUP_LOCAL) -> None:
        if self.call is not None and self._talks():
            self.call.end(self.desk.now, outcome)
            self._note(self.call, self.desk.now, Phase.ENDED)

    def _tell(self, what: str) -> None:
        words = self.kit.words
        choice = Choice(words["ok"], "android:id/button1")
        self.desk.ask(Question("notice", self.package, words["messenger"], words[what], (choice,)))

    # --- what is shown

    def view(self, kit: Kit) -> Node:
        if not self.known:
            return self._welcome(kit)
        match self.page:
            case "call" if self.call is not None and self.peer is not None:
                return self._call_page(kit, self.call, self.peer)
            case "chat" if self.peer is not None:
                return self._chat_page(kit, self.peer)
            case "profile" if self.peer is not None:
                return self._profile(kit, self.peer)
            case "search":
                return self._search(kit)
        return self._contacts(kit)

    def _welcome(self, kit: Kit) -> Node:
        upper, lower = kit.area.rows(2)
        text = kit.text(upper.inset(kit.px(24), kit.px(40)), kit.words["welcome"], size=18, align="centre")
        middle = lower.inset(kit.px(48), max(0, (lower.height - kit.px(56)) // 2))
        return kit.page([text, kit.button(middle, kit.words["start"], ("start", "start_messaging"), self._sign_in)])

    def _sign_in(self) -> None:
        self.known = True
        self.desk.moved()

    def _contacts(self, kit: Kit) -> Node:
        bar, rest = kit.area.split_top(kit.px(56))
        search = ("search", kit.words["search"], ("menu_search", "action_search"), self._open_search)
        title = kit.words["contacts" if kit.second else "messenger"]
        return kit.page([kit.bar(title, None, bar, search), self._people(kit, rest, list(PEOPLE), "main")])

    def _open_search(self) -> None:
        self.go("search")
        if not self.kit.second:
            self.desk.focus(SEARCH)

    def _people(self, kit: Kit, at: Rect, people: list[Person], name: str) -> Node:
        if not people:
            return kit.text(at, kit.words["nobody"], ("empty", "empty_view"), ink=GREY, align="centre")
        rows: list[Row] = [self._line(kit, person) for person in people]
        ids = ("list_view", "contacts_recycler")
        return kit.list(at, rows, ids, self.offsets.get(name, 0), self.scroll(name), height=56 if kit.second else 68)

    def _line(self, kit: Kit, person: Person) -> Row:
        name, last = kit.words.of(person.name), (self.said.get(person.number) or [kit.words["last seen"]])[-1]

        def row(at: Rect) -> Node:
            if kit.second:
                return kit.row(at, name, tap=lambda: self._chat(person), ids=("", "contact_row"))
            return kit.row(at, name, last, lambda: self._chat(person), ids=("dialog_cell", ""))

        return row

    def _search(self, kit: Kit) -> Node:
        bar, rest = kit.area.split_top(kit.px(64))
        corner, line = bar.split_left(kit.px(56))
        back = kit.icon(corner, "back", kit.words["navigate up"], ("", ""), self.up)
        ids = ("search_src_text", "search_field")
        field = kit.field(line.inset(kit.px(4), kit.px(6)), self.field(SEARCH), kit.words["search"], ids)
        people = found(self.texts.get(SEARCH, ""), self.kit.profile.language.value == "uk")
        return kit.page([kit.group(bar, [back, field]), self._people(kit, rest, people, "search")])

    def _chat(self, person: Person) -> None:
        self.peer = person
        self.texts.pop(MESSAGE, None)
        self.go("chat")

    def _chat_page(self, kit: Kit, person: Person) -> Node:
        top, rest = kit.area.split_top(kit.px(56))
        seen, rest = rest.split_top(kit.px(20))
        thread, line = rest.split_bottom(kit.px(64))
        ids = ("subtitle", "chat_status")
        last = kit.text(seen.inset(kit.px(16), 0), kit.words["last seen"], ids, size=13, ink=GREY)
        call = ("phone", kit.words["call"], ("call_button", ""), self._place)
        more = ("more", kit.words["more"], ("overflow", "menu_overflow"), lambda: self._menu(kit))
        name = kit.words.of(person.name)
        bar = kit.bar(name, self.up, top, more) if kit.second else kit.bar(name, self.up, top, call, more)
        return kit.page([bar, last, self._thread(kit, thread, person), self._line_to_write(kit, line)])

    def _thread(self, kit: Kit, at: Rect, person: Person) -> Node:
        texts, rest = self.said.get(person.number, []), at.inset(kit.px(12), kit.px(8))
        size, shown = kit.px(52), []
        for text in reversed(texts[-max(rest.height // size, 1) :]):
            rest, place = rest.split_bottom(size)
            bubble = place.split_left(kit.px(48))[1].inset(0, kit.px(4))
            paint = Paint(fill="#d7f0d0", align="left", round=True, size=15)
            shown.append(Node(bubble, "TextView", text, id=kit.id(("message_text", "bubble_text")), paint=paint))
        return kit.group(at, list(reversed(shown)), ("chat_list_view", "messages_recycler"))

    def _line_to_write(self, kit: Kit, at: Rect) -> Node:
        field, corner = at.split_right(kit.px(64))
        write = kit.field(field.inset(kit.px(8), kit.px(8)), self.field(MESSAGE), kit.words["message"],
                          ("chat_edit_text", "message_input"))  # fmt: skip
        ids = ("send_button", "btn_send")
        send = kit.icon(corner.inset(kit.px(6), kit.px(6)), "send", kit.words["send"], ids, self._send, ink=BLUE)
        return kit.group(at, [write, send] if self.texts.get(MESSAGE) else [write], ("", "composer"), fill=WHITE)

    def _menu(self, kit: Kit) -> None:
        words = kit.words
        calls = [Choice(words["voice call"], "menu_call", self._place)] if kit.second else []
        info = Choice(words["profile"], kit.id(("menu_info", "menu_profile")), lambda: self.go("profile"))
        choices = (*calls, info, Choice(words["cancel"], "menu_cancel"))
        self.desk.ask(Question("menu", self.package, "", "", choices))

    def _profile(self, kit: Kit, person: Person) -> Node:
        bar, rest = kit.area.split_top(kit.px(56))
        number, rest = rest.split_top(kit.px(72))
        call, _ = rest.split_top(kit.px(64))
        ids = ("profile_call", "action_call")
        return kit.page([
            kit.bar(kit.words.of(person.name), self.up, bar),
            kit.row(number, person.number, kit.words["phone"]),
            kit.button(call.inset(kit.px(16), kit.px(8)), kit.words["call"], ids, self._place),
        ])  # fmt: skip

    def _send(self) -> None:
        text = self.texts.pop(MESSAGE, "")
        if text and self.peer is not None:
            self.said.setdefault(self.peer.number, []).append(text)
            self.desk.did("message", self.peer.number, text)

    def entered(self, field: str) -> None:
        if field == MESSAGE:
            self._send()

    def typed(self, field: str) -> None:
        self.offsets.pop("search", None)

    # --- the call

    def _call_page(self, kit: Kit, call: AppCall, person: Person) -> Node:
        upper, lower = kit.area.rows(2)
        name, state = upper.inset(kit.px(16), kit.px(24)).rows(2)
        if kit.second:
            name, state = state, name
        children = [
            kit.text(name, kit.words.of(person.name), ("voip_name", "call_peer_name"), size=26, ink=WHITE,
                     align="centre"),
            kit.text(state, self._state(kit, call), ("voip_status", "call_state"), size=18, ink=WHITE, align="centre"),
        ]  # fmt: skip
        if call.phase is not Phase.ENDED:
            children += self._call_buttons(kit, lower)
        return kit.page(children, fill=DARK)

    def _state(self, kit: Kit, call: AppCall) -> str:
        if call.phase is Phase.CONNECTED:
            return timer(self.desk.now - (call.answered or 0.0))
        if call.outcome is not None:
            return kit.words[SAID.get(call.outcome, "call ended")]
        return kit.words["ringing" if call.phase is Phase.RINGING else "requesting"]

    def _call_buttons(self, kit: Kit, at: Rect) -> list[Node]:
        _, bottom = at.split_bottom(min(kit.px(96), at.height))
        mute, end = bottom.inset(kit.px(16), kit.px(16)).columns(2)
        if kit.second:
            mute, end = end, mute
        button = kit.button(mute.inset(kit.px(8), 0), kit.words["mute"], ("voip_mute", "btn_mute"), lambda: None,
                            fill=PALE)  # fmt: skip
        ids = ("voip_end", "btn_hangup")
        return [button, kit.button(end.inset(kit.px(8), 0), kit.words["end call"], ids, self._end, fill=RED, ink=WHITE)]


def _number_in(link: str) -> str | None:
    """The number of a deep link: `tg://resolve?phone=380...`, `https://t.me/+380...`."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    if parts.scheme == "tg" and parts.netloc == "resolve":
        digits = re.sub(r"[^0-9]", "", (parse_qs(parts.query).get("phone") or [""])[0])
    elif parts.scheme == "https" and parts.netloc == "t.me":
        digits = re.sub(r"[^0-9]", "", parts.path)
    else:
        return None
    return f"+{digits}"
