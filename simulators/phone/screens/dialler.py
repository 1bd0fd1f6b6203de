"""The dialler: what is typed on its keys, the calls there were, and the in-call screen of the phone's own telephony."""

import re
from collections.abc import Callable

from simulators.phone.screens.app import App, Choice, Desk, Intent, Question
from simulators.phone.screens.kit import BLUE, DARK, GREEN, GREY, PALE, RED, WHITE, Kit
from simulators.phone.screens.node import Node, Paint, Rect
from simulators.phone.telephony import BEING_DIALLED, PhoneCall, State

KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#")
KEY_IDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "star", "zero", "pound")
ENDED_FOR = 1.5  # seconds that the end of a call is shown
ANSWERS_AFTER = 2.0  # seconds from a USSD code to what the network says
SHOW_IMEI = "*#06#"
CODE = re.compile(r"[*#][0-9*#]*#")  # one that asks the network, and is no call
DIGITS = "digits"


class Dialler(App):
    name = "phone"
    packages = ("com.samsung.android.dialer", "com.google.android.dialer")
    activities = (".DialtactsActivity", ".extensions.GoogleDialtactsActivity")

    def __init__(self, desk: Desk, kit: Callable[[], Kit]) -> None:
        super().__init__(desk, kit)
        self.asked_at: float | None = None  # when the network was asked by a code

    @property
    def first_page(self) -> str:
        return "recents" if self.kit.second else "keypad"

    def takes(self, intent: Intent) -> bool:
        dials = intent.action in ("android.intent.action.DIAL", "android.intent.action.VIEW")
        return dials and (intent.data.startswith("tel:") or intent.action.endswith("DIAL"))

    def start(self, intent: Intent) -> None:
        if intent.data.startswith("tel:"):
            number = intent.data.removeprefix("tel:").replace("%2B", "+").replace("%23", "#").replace("%20", "")
            self.texts[DIGITS] = re.sub(r"[^0-9+*#]", "", number)
            self.pages = ["keypad"]

    def settle(self, now: float) -> None:
        if self.asked_at is not None and now >= self.asked_at + ANSWERS_AFTER:
            answered, self.asked_at = self.asked_at + ANSWERS_AFTER, None
            self._tell(self.kit.words["balance"], "ussd", since=answered)

    def view(self, kit: Kit) -> Node:
        return self._recents(kit) if self._shown() == "recents" else self._keypad(kit)

    def _shown(self) -> str:
        return self.first_page if self.page == "main" else self.page

    # --- the keys

    def _keypad(self, kit: Kit) -> Node:
        top, rest = kit.area.split_top(kit.px(64))
        line, keys = top, rest
        keys, call = rest.split_bottom(min(kit.px(88), rest.height // 5))
        number, delete = line.split_right(kit.px(64))
        children = [
            kit.field(number.inset(kit.px(12), kit.px(4)), self.field(DIGITS), "", ("digits", "digits"), size=24),
            kit.icon(delete, "delete", kit.words["delete"], ("deleteButton", "deleteButton"), self._delete),
            kit.group(keys, self._keys(kit, keys), ("dialpad", "dialpad_key_layout"), kind="TableLayout"),
        ]
        middle = call.inset((call.width - kit.px(120)) // 2, kit.px(8))
        ids = ("dialButton", "dialpad_voice_call_button")
        if kit.second:
            children.append(kit.button(middle, kit.words["call"], ids, self._call, fill=GREEN, ink=WHITE))
        else:
            children.append(kit.icon(middle, "phone", kit.words["call"], ids, self._call, fill=GREEN, ink=WHITE))
        return kit.page(children)

    def _keys(self, kit: Kit, at: Rect) -> list[Node]:
        places = [place for row in at.rows(4) for place in row.columns(3)]
        return [self._key(kit, place, *key) for place, *key in zip(places, KEYS, KEY_IDS, strict=True)]

    def _key(self, kit: Kit, at: Rect, key: str, name: str) -> Node:
        paint = Paint(fill=PALE, size=26, align="centre", round=True)
        inner = at.inset(kit.px(4), kit.px(4))
        id = kit.id((f"dialpad_{name}", name))
        return Node(inner, "Button", key, id=id, tap=lambda: self.press(key), paint=paint)

    def press(self, key: str) -> None:
        """A key of the phone's own pad."""
        self.texts[DIGITS] = self.texts.get(DIGITS, "") + key
        self.typed(DIGITS)

    def typed(self, field: str) -> None:
        self.texts[DIGITS] = re.sub(r"[^0-9+*#]", "", self.texts.get(DIGITS, ""))
        if self.texts.get(DIGITS) == SHOW_IMEI:
            self.texts[DIGITS] = ""
            self._tell(imei_of(self.desk.body.identity.serial, 1), "imei", title=self.kit.words["imei"])

    def entered(self, field: str) -> None:
        self._call()

    def _delete(self) -> None:
        self.texts[DIGITS] = self.texts.get(DIGITS, "")[:-1]

    def _call(self) -> None:
        number = self.texts.get(DIGITS, "")
        if number:
            self.texts[DIGITS] = ""
            self.desk.body.place(number)

    def ask_network(self, code: str) -> None:
        """A USSD code goes out, which is no call."""
        self.desk.did("ussd", self.package, code)
        self.asked_at = self.desk.now
        self._tell(self.kit.words["ussd running"], "ussd")

    def _tell(self, text: str, kind: str, *, title: str = "", since: float | None = None) -> None:
        choice = Choice(self.kit.words["ok"], "android:id/button1")
        self.desk.ask(Question(kind, "com.android.phone", title, text, (choice,)), since=since)

    # --- the calls there were

    def _recents(self, kit: Kit) -> Node:
        bar, rest = kit.area.split_top(kit.px(56))
        calls = list(reversed(self.desk.body.telephony.history))
        rows: list[Callable[[Rect], Node]] = [self._line(kit, call) for call in calls]
        if rows:
            body = kit.list(rest, rows, ("", "recycler_view"), self.offsets.get("recents", 0), self.scroll("recents"))
        else:
            body = kit.text(rest, kit.words["no calls"], ("", "empty_list_view_message"), align="centre", ink=GREY)
        corner = rest.split_right(kit.px(96))[1].split_bottom(kit.px(96))[1].inset(kit.px(16), kit.px(16))
        ids = ("", "fab")
        pad = kit.icon(corner, "keypad", kit.words["keypad"], ids, lambda: self.go("keypad"), fill=BLUE, ink=WHITE)
        return kit.page([kit.bar(kit.words["phone"], None, bar), body, pad])

    def _line(self, kit: Kit, call: PhoneCall) -> Callable[[Rect], Node]:
        def fill_in() -> None:
            self.texts[DIGITS] = call.number
            self.go("keypad")

        return lambda at: kit.row(at.split_right(kit.px(96))[0], call.number, tap=fill_in)


class InCall(App):
    """The screen of a phone call. It is bound to the telephony, and in front when a call comes or is placed."""

    name = "in call"
    packages = ("com.samsung.android.incallui", "com.google.android.dialer")
    activities = ("com.android.incallui.call.InCallActivity", "com.android.incallui.InCallActivity")
    in_launcher = False

    def __init__(self, desk: Desk, kit: Callable[[], Kit]) -> None:
        super().__init__(desk, kit)
        self.last: PhoneCall | None = None
        self.ended_at: float | None = None

    @property
    def call(self) -> PhoneCall | None:
        """The call that is shown: one that rings comes first."""
        telephony = self.desk.body.telephony
        ringing, asking = telephony.in_state(State.RINGING), telephony.in_state(State.SELECT_PHONE_ACCOUNT)
        return next(iter(ringing), telephony.foreground or next(iter(asking), None))

    @property
    def over(self) -> bool:
        """There is nothing to show any more."""
        return self.call is None and self.desk.now >= self.leaves_at

    @property
    def leaves_at(self) -> float:
        """When the end of the last call has been shown long enough."""
        return 0.0 if self.ended_at is None else self.ended_at + ENDED_FOR

    @property
    def ticks(self) -> bool:
        return self.call is not None and self.call.state is State.ACTIVE

    def settle(self, now: float) -> None:
        if self.call is not None:
            self.last, self.ended_at = self.call, None
        elif self.last is not None and self.ended_at is None:
            ended = [at for at, event, _ in self.last.events if event == "SET_DISCONNECTED"]
            self.ended_at = ended[0] if ended else now

    def view(self, kit: Kit) -> Node:
        call = self.call or self.last
        upper, lower = kit.area.rows(2)
        names, state = upper.inset(kit.px(16), kit.px(24)).rows(2)
        children = [
            kit.text(names, call.number if call else "", ("name", "contactgrid_contact_name"), size=28, ink=WHITE,
                     align="centre"),
            kit.text(state, self._state(kit, call), ("callStatus", "contactgrid_bottom_timer"), size=18, ink=WHITE,
                     align="centre"),
        ]  # fmt: skip
        if self.call is not None:
            children += self._buttons(kit, lower, self.call)
        return kit.page(children, fill=DARK)

    def _state(self, kit: Kit, call: PhoneCall | None) -> str:
        words = kit.words
        if call is None or call.state is State.DISCONNECTED:
            return words["call ended"]
        if call.state is State.ACTIVE:
            since = next(at for at, event, _ in call.events if event == "SET_ACTIVE")
            return timer(self.desk.now - since)
        named = {State.RINGING: "incoming", State.ALERTING: "alerting", State.ON_HOLD: "on hold"}
        return words[named.get(call.state, "dialling")]

    def _buttons(self, kit: Kit, at: Rect, call: PhoneCall) -> list[Node]:
        words, body = kit.words, self.desk.body
        _, bottom = at.split_bottom(min(kit.px(120), at.height))
        if call.state is State.RINGING:
            left, right = bottom.inset(kit.px(24), kit.px(28)).columns(2)
            take = kit.button(left.inset(kit.px(8), 0), words["answer"], ("answer", "incoming_answer"), body.take,
                              fill=GREEN, ink=WHITE)  # fmt: skip
            end = kit.button(right.inset(kit.px(8), 0), words["decline"], ("decline", "incoming_decline"),
                             lambda: body.put_down(call), fill=RED, ink=WHITE)  # fmt: skip
            return [take, end]
        if call.state is State.SELECT_PHONE_ACCOUNT:
            return self._choices(kit, at)
        middle = bottom.inset((bottom.width - kit.px(160)) // 2, kit.px(28))
        ids = ("disconnect_button", "incall_end_call")
        end = kit.icon(middle, "end", words["end call"], ids, lambda: body.put_down(call), fill=RED, ink=WHITE)
        return [end] if call.state in BEING_DIALLED else [*self._while_talking(kit, at), end]

    def _while_talking(self, kit: Kit, at: Rect) -> list[Node]:
        row, _ = at.split_top(min(kit.px(64), at.height // 3))
        texts, ids = ("mute", "speaker"), (("mute_button", "incall_first_button"), ("speaker_button", "incall_third"))
        return [
            kit.button(place.inset(kit.px(8), kit.px(4)), kit.words[text], id, lambda: None)
            for place, text, id in zip(row.columns(2), texts, ids, strict=True)
        ]

    def _choices(self, kit: Kit, at: Rect) -> list[Node]:
        rows = at.inset(kit.px(16), 0).rows(4)
        title = kit.text(rows[0], kit.words["which sim"], ("android:id/alertTitle",) * 2, size=18, ink=WHITE)
        sims = range(1, self.desk.body.identity.sims + 1)
        return [title, *(self._sim(kit, place, sim) for place, sim in zip(rows[1:], sims, strict=False))]

    def _sim(self, kit: Kit, at: Rect, sim: int) -> Node:
        inner = at.inset(0, kit.px(4))
        return kit.button(inner, f"{kit.words['sim']} {sim}", ("label", "label"), lambda: self.desk.body.use_sim(sim))


def timer(seconds: float) -> str:
    """How long a call talks, as it is shown."""
    whole = max(int(seconds), 0)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def imei_of(serial: str, sim: int) -> str:
    """The IMEI of one of a phone's SIMs: fifteen digits, the last of which checks the others."""
    code = 0
    for letter in f"{serial}/{sim}":
        code = (code * 131 + ord(letter)) % 10**12
    digits = f"35{code:012d}"
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(digits)]
    return f"{digits}{-sum(value // 10 + value % 10 for value in doubled) % 10}"
