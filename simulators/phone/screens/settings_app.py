"""The phone's settings: network, SIMs, apps with their data, and what the phone is."""

from collections.abc import Callable, Mapping

from simulators.phone.screens.app import App, Choice, Intent, Question
from simulators.phone.screens.dialler import imei_of
from simulators.phone.screens.kit import GREY, Kit
from simulators.phone.screens.node import Node, Paint, Rect

Row = Callable[[Rect], Node]
ASK = 0  # in place of a SIM's number

PAGES: Mapping[str, str] = {
    "android.settings.SETTINGS": "main",
    "android.settings.WIFI_SETTINGS": "internet",
    "android.settings.WIRELESS_SETTINGS": "network",
    "android.settings.AIRPLANE_MODE_SETTINGS": "network",
    "android.settings.DEVICE_INFO_SETTINGS": "about",
    "android.settings.MANAGE_ALL_SIM_PROFILES_SETTINGS": "sims",
    "android.settings.APPLICATION_SETTINGS": "apps",
    "android.settings.MANAGE_APPLICATIONS_SETTINGS": "apps",
}
DETAILS = "android.settings.APPLICATION_DETAILS_SETTINGS"


class Settings(App):
    name = "settings"
    packages = ("com.android.settings", "com.android.settings")
    activities = (".Settings", ".homepage.SettingsHomepageActivity")

    def takes(self, intent: Intent) -> bool:
        return intent.action in PAGES or (intent.action == DETAILS and self._named(intent.data) is not None)

    def start(self, intent: Intent) -> None:
        app = self._named(intent.data) if intent.action == DETAILS else None
        if app is not None:
            self.pages = [f"app:{app.name}"]
        elif intent.action in PAGES:
            page = PAGES[intent.action]
            self.pages = ["network" if page == "internet" and not self.kit.second else page]

    def _named(self, uri: str) -> App | None:
        package = uri.removeprefix("package:")
        return next((app for app in self.desk.apps.values() if app.package == package), None)

    def view(self, kit: Kit) -> Node:
        bar, rest = kit.area.split_top(kit.px(56))
        kind, _, name = self.page.partition(":")
        title, rows = self._rows(kit, kind, name)
        main = self.page == "main"
        offset = self.offsets.get(self.page, 0)
        return kit.page([
            kit.bar(title, None if main else self.up, bar),
            kit.list(rest, rows, ("list", "recycler_view"), offset, self.scroll(self.page),
                     height=72 if kit.second else 64),
        ])  # fmt: skip

    def _rows(self, kit: Kit, kind: str, name: str) -> tuple[str, list[Row]]:
        words = kit.words
        match kind:
            case "network":
                return words["network" if kit.second else "connections"], self._network(kit)
            case "internet":
                return words["internet"], [self._wifi(kit)]
            case "sims":
                return words["sims" if kit.second else "sim manager"], self._sims(kit)
            case "apps":
                return words["apps"], [self._app(kit, app) for app in self.desk.apps.values() if app.in_launcher]
            case "app" | "storage":
                return words[name], self._details(kit, kind, self.desk.apps[name])
            case "about":
                return words["about"], self._about(kit)
        return words["settings"], self._main(kit)

    def _main(self, kit: Kit) -> list[Row]:
        words = kit.words
        network = self._to(kit, words["network" if kit.second else "connections"], "network")
        idle = [self._inert(kit, words[name]) for name in ("sound", "display", "battery")]
        apps, about = self._to(kit, words["apps"], "apps"), self._to(kit, words["about"], "about")
        return [network, apps, *idle, about] if kit.second else [network, *idle, apps, about]

    def _network(self, kit: Kit) -> list[Row]:
        words = kit.words
        wifi = self._to(kit, words["internet"], "internet") if kit.second else self._wifi(kit)
        sims = self._to(kit, words["sims" if kit.second else "sim manager"], "sims")
        rows = [wifi, self._switch(kit, "airplane", ("airplane_switch", "android:id/switch_widget")), sims]
        return [wifi, sims, rows[1]] if kit.second else rows

    def _wifi(self, kit: Kit) -> Row:
        return self._switch(kit, "wifi", ("switch_widget", "android:id/switch_widget"))

    def _switch(self, kit: Kit, name: str, ids: tuple[str, str]) -> Row:
        on = self.desk.on(name)
        return lambda at: kit.switch(at, kit.words[name], on, lambda: self.desk.turn(name, not on), ids)

    def _to(self, kit: Kit, title: str, page: str, summary: str = "") -> Row:
        return lambda at: kit.row(at, title, summary, lambda: self.go(page))

    def _inert(self, kit: Kit, title: str, summary: str = "") -> Row:
        return lambda at: kit.row(at, title, summary)

    # --- SIMs

    def _sims(self, kit: Kit) -> list[Row]:
        words, who = kit.words, self.desk.body.identity
        rows: list[Row] = [
            self._inert(kit, f"{words['sim']} {sim}", who.operator) for sim in range(1, who.sims + 1)
        ]
        if who.sims < 2:
            return rows
        chosen = ASK if self.desk.body.telephony.asks_for_sim else int(self.desk.body.outgoing_sim or "1")
        rows.append(lambda at: kit.text(at.inset(kit.px(16), 0), words["calls by"], size=14, ink=GREY))
        rows.extend(self._choice(kit, sim, sim == chosen) for sim in (*range(1, who.sims + 1), ASK))
        return rows

    def _choice(self, kit: Kit, sim: int, chosen: bool) -> Row:
        title = kit.words["ask each time"] if sim == ASK else f"{kit.words['sim']} {sim}"

        def choose() -> None:
            body = self.desk.body
            body.telephony.asks_for_sim = sim == ASK
            body.outgoing_sim = "" if sim == ASK else str(sim)
            self.desk.did("setting", "sim_for_calls", str(sim) if sim else "ask")

        paint = Paint(icon="chosen" if chosen else "free")
        ids = ("radio", "android:id/checkbox")

        def row(at: Rect) -> Node:
            _, corner = at.split_right(kit.px(56))
            mark = Node(corner, "RadioButton", id=kit.id(ids), checkable=True, checked=chosen, paint=paint)
            return kit.row(at, title, tap=choose, side=[mark])

        return row

    # --- apps and their data

    def _app(self, kit: Kit, app: App) -> Row:
        return self._to(kit, kit.words[app.name], f"app:{app.name}")

    def _details(self, kit: Kit, kind: str, app: App) -> list[Row]:
        words = kit.words
        package = self._inert(kit, app.package)
        stop = self._button(kit, words["force stop"], ("force_stop_button", "button3"), lambda: self._ask_stop(app))
        if kind == "app" and kit.second:
            return [package, stop, self._to(kit, words["storage"], f"storage:{app.name}")]
        used = self._inert(kit, words["used" if app.used else "nothing used"])
        text, ids = words["clear storage" if kit.second else "clear data"], ("clear_data", "button1")
        clear = self._button(kit, text, ids, lambda: self._ask_clear(app))
        return [used, clear] if kit.second else [package, used, stop, clear]

    def _button(self, kit: Kit, text: str, ids: tuple[str, str], tap: Callable[[], None]) -> Row:
        return lambda at: kit.button(at.inset(kit.px(16), kit.px(8)), text, ids, tap)

    def _ask_clear(self, app: App) -> None:
        self._sure("clear data?", "data goes", lambda: self.desk.clear(app))

    def _ask_stop(self, app: App) -> None:
        self._sure("force stop?", "misbehave", lambda: self.desk.stop(app))

    def _sure(self, title: str, text: str, act: Callable[[], None]) -> None:
        words = self.kit.words
        choices = (Choice(words["cancel"], "android:id/button2"), Choice(words["ok"], "android:id/button1", act))
        self.desk.ask(Question("sure", self.package, words[title], words[text], choices, back=0))

    # --- the phone itself

    def _about(self, kit: Kit) -> list[Row]:
        words, who = kit.words, self.desk.body.identity
        facts = [("device name", f"{who.brand} {who.model}"), ("model", who.model), ("serial", who.serial or "—"),
                 ("version", str(who.release)), ("operator", who.operator)]  # fmt: skip
        rows = [self._inert(kit, words[name], value) for name, value in facts]
        for sim in range(1, who.sims + 1):
            title = words["imei"] if who.sims == 1 else f"{words['imei']} ({words['sim']} {sim})"
            row = self._inert(kit, title, imei_of(who.serial, sim))
            rows.insert(len(rows) if kit.second else sim, row)
        return rows
