"""The home screen: a grid of apps; in the second layout a dock, and a list that is swiped up."""

from collections.abc import Callable

from simulators.phone.screens.app import App, Choice, Question
from simulators.phone.screens.kit import BLUE, DARK, GREEN, WHITE, Kit
from simulators.phone.screens.node import Node, Paint, Rect

COLOURS = {"phone": GREEN, "settings": "#5f6368", "messenger": BLUE}


class Launcher(App):
    name = "home"
    packages = ("com.sec.android.app.launcher", "com.google.android.apps.nexuslauncher")
    activities = (".activities.LauncherActivity", ".NexusLauncherActivity")
    in_launcher = False

    def view(self, kit: Kit) -> Node:
        if self.page == "all":
            return self._all(kit)
        rest, dock = kit.area.split_bottom(kit.px(112))
        apps = self._apps()
        if kit.second:
            date, _ = rest.inset(kit.px(24), kit.px(48)).split_top(kit.px(48))
            clock = kit.text(date, self.desk.body.identity.model, ("", "date"), size=24, ink=WHITE)
            dock_node = kit.group(dock, self._icons(kit, dock, apps), ("", "hotseat"))
            pages = Node(rest, "ScrollView", id="workspace", scroll=self._pull, children=(clock,))
            return kit.page([pages, dock_node], fill=DARK)
        grid, _ = rest.inset(kit.px(16), kit.px(40)).split_top(kit.px(112))
        return kit.page([kit.group(grid, self._icons(kit, grid, apps), ("workspace", ""))], fill=DARK)

    def _apps(self) -> list[App]:
        return [app for app in self.desk.apps.values() if app.in_launcher]

    def _pull(self, by: int) -> None:
        if by > 0:
            self.go("all")

    def _all(self, kit: Kit) -> Node:
        bar, rest = kit.area.split_top(kit.px(56))
        rows = [self._line(kit, app) for app in self._apps()]
        return kit.page([
            kit.bar(kit.words["all apps"], self.up, bar),
            kit.list(rest, rows, ("", "apps_list_view"), self.offsets.get("all", 0), self.scroll("all")),
        ])  # fmt: skip

    def _line(self, kit: Kit, app: App) -> Callable[[Rect], Node]:
        label = kit.words[app.name]
        return lambda at: Node(
            at, "TextView", label, id="icon", tap=lambda: self.desk.open(app), hold=lambda: self._menu(kit, app),
            paint=Paint(align="centre"),
        )  # fmt: skip

    def _icons(self, kit: Kit, at: Rect, apps: list[App]) -> list[Node]:
        return [self._icon(kit, place, app) for place, app in zip(at.columns(4), apps, strict=False)]

    def _icon(self, kit: Kit, at: Rect, app: App) -> Node:
        picture, label = at.split_bottom(kit.px(36))
        middle = picture.inset((picture.width - kit.px(56)) // 2, (picture.height - kit.px(56)) // 2)
        name = kit.words[app.name]
        children = (
            Node(middle, "ImageView", paint=Paint(fill=COLOURS[app.name], ink=WHITE, icon=app.name, round=True)),
            kit.text(label, name, ("home_icon_label", "icon"), size=14, ink=WHITE, align="centre"),
        )
        return Node(
            at, "FrameLayout", id=kit.id(("home_icon", "")), desc=name, tap=lambda: self.desk.open(app),
            hold=lambda: self._menu(kit, app), children=children,
        )  # fmt: skip

    def _menu(self, kit: Kit, app: App) -> None:
        def show() -> None:
            settings = self.desk.apps["settings"]
            self.desk.open(settings)
            settings.go(f"app:{app.name}")

        words = kit.words
        choices = (Choice(words["app info"], "app_info", show), Choice(words["cancel"], "cancel"))
        self.desk.ask(Question("menu", self.package, words[app.name], "", choices))
