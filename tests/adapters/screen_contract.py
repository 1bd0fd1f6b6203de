"""What the `Screen` of any phone must do: the same cases for each way that it is reached. The phone's log judges."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from actors.script.effects import (
    ClearField,
    CloseKeyboard,
    Done,
    Dump,
    InputText,
    LaunchApp,
    Looked,
    NotDone,
    OpenLink,
    PressAt,
    PressKey,
    RunCommand,
    SendUssd,
    SwipeOver,
    TapAt,
)
from actors.script.selectors import Selector, one, point
from actors.script.tree import Crashed, NoRoot, NotIdle, Seen, Tree
from actors.slot.phone import Phone
from actors.slot.screen import Screen
from simulators.phone.screens.screens import Screens
from simulators.phone.screens.system import HELPER, KEYBOARD, SYSTEM_UI

MESSENGER = "org.telegram.messenger"
CHAT = OpenLink(link="tg://resolve?phone=380671110007", app=MESSENGER)
FIELD = Selector(id=["chat_edit_text", "message_input"])
TEXTS = ["Привіт, світе", "naïve 日本語", "👍🏽 ok\nnew line", "x" * 999 + "є" * 1500, "';reboot #$(id)ї"]
AWKWARD = "a  b%s'\"$(reboot)`id`;&|<>\\*?~#%"


async def seen(screen: Screen, *, compressed: bool = False) -> Tree:
    """The screen, which can be read."""
    looked = await screen.carry_out(Dump(compressed=compressed))
    assert isinstance(looked, Looked) and isinstance(looked.screen, Seen), looked
    return looked.screen.tree


async def place(screen: Screen, wanted: Selector) -> tuple[int, int]:
    """Where that stands."""
    tree = await seen(screen)
    node = one(wanted, tree)
    assert node is not None, [node.text or node.description for node in tree.nodes]
    spot = point(node, tree)
    assert spot is not None
    return spot


def did(screens: Screens, what: str) -> list[tuple[str, str]]:
    """What the phone did of this kind: in which app, and with what."""
    return [(line.where, line.data) for line in screens.log if line.what == what]


class ScreenContract:
    """Subclasses give the fixtures `phone`, whose screen it is, and the judges: `screens`, which change at once,
    `files`, and `dials`: what was dialled."""

    @pytest.fixture
    async def screen(self, phone: Phone, screens: Screens) -> Screen:
        return phone.screen

    # --- looking

    async def test_the_screen_is_read(self, screen: Screen, screens: Screens) -> None:
        tree = await seen(screen)
        assert tree.screen.right == screens.screen.width and any(node.text for node in tree.nodes)

    async def test_nothing_is_left_of_dumps(self, screen: Screen, screens: Screens, files: dict[str, bytes]) -> None:
        for _ in range(3):
            await seen(screen)
        assert not [path for path in files if "ottb-screen" in path]

    async def test_a_picture_is_what_is_seen(self, screen: Screen, screens: Screens) -> None:
        for turned in (0, 1):
            screens.turned = turned
            picture = Image.open(io.BytesIO(await screen.picture()))
            assert picture.format == "PNG" and picture.size == await screen.size()
            assert picture.size == (screens.screen.width, screens.screen.height)

    # --- touching

    async def test_a_tap_falls_where_it_is_meant(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        assert await screen.carry_out(TapAt(x=x, y=y)) == Done()
        assert did(screens, "tap") in ([(MESSENGER, name)] for name in ("chat_edit_text", "message_input"))

    async def test_a_long_press_is_held(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        assert await screen.carry_out(PressAt(x=x, y=y, seconds=0.05)) == Done()
        assert len(did(screens, "tap") + did(screens, "hold")) == 1

    async def test_a_finger_moves(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(LaunchApp(app=MESSENGER))
        width, height = await screen.size()
        back = await screen.carry_out(
            SwipeOver(x=width // 2, y=height * 3 // 4, to_x=width // 2, to_y=height // 4, seconds=0.05)
        )
        assert back == Done() and len(did(screens, "scroll")) == 1

    async def test_plain_text_is_typed_sign_by_sign(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        assert await screen.carry_out(InputText(text=AWKWARD, x=x, y=y)) == Done()
        assert screens.front.texts[screens.field] == AWKWARD

    @pytest.mark.parametrize("text", TEXTS)
    async def test_any_text_is_typed_by_the_helper(self, screen: Screen, screens: Screens, text: str) -> None:
        screens.profile = replace(screens.profile, helper=True)
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        before = screens.method
        assert await screen.carry_out(InputText(text=text, x=x, y=y)) == Done()
        assert screens.front.texts[screens.field] == text and screens.method == before != HELPER

    async def test_text_goes_on_where_the_cursor_is(self, screen: Screen, screens: Screens) -> None:
        screens.profile = replace(screens.profile, helper=True)
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        await screen.carry_out(InputText(text="a b ", x=x, y=y))
        assert await screen.carry_out(InputText(text="ґ")) == Done()
        assert screens.front.texts[screens.field] == "a b ґ"

    async def test_the_helper_is_put_away_though_it_was_left(self, screen: Screen, screens: Screens) -> None:
        screens.profile, screens.method = replace(screens.profile, helper=True), HELPER
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        assert await screen.carry_out(InputText(text="ї", x=x, y=y)) == Done()
        assert screens.method == KEYBOARD

    async def test_half_a_character_is_not_typed(self, screen: Screen, screens: Screens) -> None:
        screens.profile = replace(screens.profile, helper=True)
        for text in ("\ud83d", "a\0b"):
            back = await screen.carry_out(InputText(text=text))
            assert isinstance(back, NotDone) and not back.maybe

    async def test_a_field_is_emptied(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        await screen.carry_out(InputText(text="x" * 450, x=x, y=y))
        x, y = await place(screen, FIELD)  # the keyboard has moved it
        assert await screen.carry_out(ClearField(x=x, y=y, signs=450)) == Done()
        assert screens.front.texts[screens.field] == ""

    async def test_a_keyboard_is_closed_and_nothing_else(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        assert await screen.carry_out(TapAt(x=x, y=y)) == Done() and screens.keys_up
        for _ in range(2):
            assert await screen.carry_out(CloseKeyboard()) == Done()
            assert not screens.keys_up and screens.front.page == "chat"

    async def test_keys_are_pressed(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        assert await screen.carry_out(PressKey(code=3)) == Done()
        assert screens.front is screens.launcher

    # --- opening

    async def test_an_app_is_started_afresh_if_asked(self, screen: Screen, screens: Screens) -> None:
        assert await screen.carry_out(LaunchApp(app=MESSENGER)) == Done()
        assert await screen.carry_out(LaunchApp(app=MESSENGER, fresh=True)) == Done()
        assert len(did(screens, "opened")) == 2 and did(screens, "stopped") == [(MESSENGER, "")]

    async def test_an_app_that_is_not_there_is_not_started(self, screen: Screen, screens: Screens) -> None:
        back = await screen.carry_out(LaunchApp(app="org.nothing"))
        assert isinstance(back, NotDone) and not back.maybe and "No activities found" in back.why

    async def test_a_link_that_nobody_opens_is_not_opened(self, screen: Screen, screens: Screens) -> None:
        back = await screen.carry_out(OpenLink(link="viber://chat?number=1"))
        assert isinstance(back, NotDone) and "unable to resolve" in back.why and not back.maybe

    async def test_commands_say_what_they_print(self, screen: Screen, screens: Screens) -> None:
        get = RunCommand(words=("settings", "get", "global", "airplane_mode_on"))
        assert await screen.carry_out(get) == Done(output="0\n")
        back = await screen.carry_out(RunCommand(words=("pm", "clear", "org.nothing")))
        assert back == NotDone("code 1: Failed")

    async def test_a_service_code_is_sent_once(self, screen: Screen, screens: Screens, dials: list[str]) -> None:
        assert await screen.carry_out(SendUssd(code="*111#")) == Done()
        assert dials == ["*111#"]
        for code in ("112", "+380991234567", "*111#;reboot", "*111", "#", "*21*+380991#"):
            assert isinstance(await screen.carry_out(SendUssd(code=code)), NotDone)
        assert dials == ["*111#"]

    @pytest.mark.parametrize(
        "effect",
        [
            PressKey(code=5), PressKey(code=79), OpenLink(link="tel:+380991234567"), OpenLink(link="intent://a#Intent;end"),
            OpenLink(link="https://a.b/c", app="com.android.dialer"), LaunchApp(app="com.android.dialer"),
            LaunchApp(app="a.b; reboot"), RunCommand(words=("reboot",)),
            RunCommand(words=("am", "start", "-a", "android.intent.action.CALL", "-d", "tel:112")),
        ],
        ids=lambda effect: type(effect).__name__,
    )  # fmt: skip
    async def test_what_dials_is_not_done(
        self, screen: Screen, screens: Screens, dials: list[str], effect: PressKey | OpenLink | LaunchApp | RunCommand
    ) -> None:
        back = await screen.carry_out(effect)
        assert isinstance(back, NotDone) and not back.maybe
        assert not dials and not did(screens, "opened")

    async def test_what_came_up_is_seen(self, screen: Screen, screens: Screens) -> None:
        screens.ask(screens._surprise())
        tree = await seen(screen)
        assert {node.package for node in tree.nodes} & {SYSTEM_UI, "com.google.android.gms"} or any(
            "permission" in node.id for node in tree.nodes
        )


class PlainDumpContract(ScreenContract):
    """Of phones on which nothing is installed for it: `uiautomator dump`, with its traps."""

    async def test_a_dump_of_before_is_never_read(self, screen: Screen, screens: Screens) -> None:
        await seen(screen)
        screens.troubles.no_root = 1.0
        assert await screen.carry_out(Dump()) == Looked(NoRoot())
        screens.troubles.no_root, screens.troubles.crash = 0.0, 1.0
        for _ in range(4):  # whether the file is left as it was or emptied
            looked = await screen.carry_out(Dump())
            assert isinstance(looked, Looked) and isinstance(looked.screen, Crashed)

    async def test_a_screen_that_does_not_stand_still_says_so(self, screen: Screen, screens: Screens) -> None:
        screens.troubles.not_idle, screens.troubles.gives_up = 1.0, 0.0
        assert await screen.carry_out(Dump()) == Looked(NotIdle())

    async def test_a_dump_is_found_where_it_was_written(self, screen: Screen, screens: Screens) -> None:
        screens.troubles.elsewhere = 1.0
        before = await seen(screen)
        await screen.carry_out(CHAT)
        assert one(FIELD, before) is None and one(FIELD, await seen(screen)) is not None

    async def test_without_a_helper_it_is_said_what_to_install(self, screen: Screen, screens: Screens) -> None:
        await screen.carry_out(CHAT)
        x, y = await place(screen, FIELD)
        back = await screen.carry_out(InputText(text="Привіт", x=x, y=y))
        assert isinstance(back, NotDone) and not back.maybe and "ADBKeyBoard" in back.why
        assert did(screens, "typed") == []
