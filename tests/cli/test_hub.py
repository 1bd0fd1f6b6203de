"""`ottb hub`: what is shown of hubs, and the wizard that learns which printed port is which."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.settings import load
from actors.slot.settings import Hub
from actors.usb.port_map import Sight, hubs_now
from actors.usb.views import details
from bus_schemas.permissions import Action
from bus_schemas.usb import HubDetails, HubSummary, PhoneOnPort, PortPowered, PortState, Switching
from cli import hub as command
from cli.gateway import NotDone
from cli.hub import Lesson
from simulators.hub.simulated_usb import SimulatedUsb
from tests.usb.trees import WAYS, chips, listed, phone, root

BOTH = [root(1, peer=2), root(2, peer=1), *chips("1-2", "2-2"), *chips("2-2", "1-2")]


class Bench:
    """Somebody at a hub, who plugs one phone into the port that the wizard asks for. `deeds`: what they do instead."""

    def __init__(self, hubs: dict[str, Hub] | None = None, deeds: dict[int, str] | None = None) -> None:
        self.usb = SimulatedUsb(BOTH)
        self.hubs = hubs or {}
        self.deeds = deeds or {}
        self.said: list[str] = []
        self._typed: list[str] = []

    def look(self) -> HubDetails:
        phones = [one for one in (self.usb.tree or {}).values() if not one.hub]
        [hub] = hubs_now(Sight(hubs=self.hubs, tree=self.usb.tree, listed=listed(*phones)))
        return details(hub, "local", lambda port: None, "root", frozenset(Action))

    def typed(self, seconds: float) -> str | None:
        return self._typed.pop(0) if self._typed else None

    def say(self, text: str) -> None:
        self.said.append(text)
        if text.startswith("Port ") and text.endswith("?"):
            self._plug(int(text[5:-1]))

    def _plug(self, number: int) -> None:
        for path in [one.path for one in (self.usb.tree or {}).values() if not one.hub]:
            self.usb.unplug(path)
        match self.deeds.pop(number, ""):
            case "skip":
                self._typed.append("\n")
            case "end":
                self._typed.append("q\n")
            case way:
                bus = 1 + number % 2  # now at one speed, now at the other
                self.usb.plug(phone(f"{bus}-2.{way or WAYS[number]}", "the one"))


def test_twenty_ports_are_learnt_and_the_settings_have_them(tmp_path: Path) -> None:
    bench = Bench()
    ways = command.learn(bench.look, bench.typed, bench.say, ports=20)
    assert ways == WAYS and "Port 14 is 6.4." in bench.said
    file = tmp_path / "ottb.toml"
    file.write_text("[sandbox]\nenabled = false\n")
    command.write(file, "HUB2", command.as_toml("HUB2", bench.look(), ways))
    learnt = load(config=file, environment={}).hubs
    assert learnt == {"HUB2": Hub(path="1-2", also=("2-2",), ports=WAYS)}
    [again] = hubs_now(Sight(hubs={"HUB2": Hub(path="1-2", also=("2-2",), ports=WAYS)}, tree=bench.usb.tree))
    assert {port.port: port.way for port in again.ports} == WAYS


def test_ports_can_be_left_out_and_it_can_end_early() -> None:
    bench = Bench(deeds={2: "skip", 4: "end"})
    assert command.learn(bench.look, bench.typed, bench.say) == {1: "1", 3: "3"}
    assert "Port 2 is skipped." in bench.said


def test_a_port_that_has_a_name_gets_no_second_one() -> None:
    bench = Bench(deeds={3: "1"})
    ways = command.learn(bench.look, bench.typed, bench.say, ports=4)
    assert ways == {1: "1", 2: "2", 3: "3", 4: "4"} and "That is port 1 already (1)." in bench.said


def test_a_lesson_takes_one_phone_at_a_time_and_none_that_was_there() -> None:
    lesson = Lesson(3, frozenset({"1"}))
    assert lesson.see(frozenset({"1"})) is None
    assert "at once" in str(lesson.see(frozenset({"1", "2", "3"}))) and lesson.ways == {}
    assert lesson.see(frozenset({"1"})) is None
    assert lesson.see(frozenset({"1", "4.2"})) == "Port 1 is 4.2."
    assert lesson.see(frozenset({"1"})) is None
    assert lesson.see(frozenset({"1", "4.2"})) is None  # it logs off and on while it comes up
    assert lesson.see(frozenset({"4.2"})) is None
    assert lesson.see(frozenset({"1", "4.2"})) == "Port 2 is 1."


def test_what_was_known_and_is_not_learnt_anew_stays() -> None:
    hubs = {"HUB1": Hub(path="1-2", ports={1: "5.1", 2: "5.2", 3: "5.3"}, switching=Switching.GANGED)}
    bench = Bench(hubs)
    said = tomllib.loads(command.as_toml("HUB1", bench.look(), {2: "5.1", 9: "6.1"}))["hubs"]["HUB1"]
    assert said["switching"] == "ganged"
    assert {number: said["ports"][number] for number in ("2", "3", "9")} == {"2": "5.1", "3": "5.3", "9": "6.1"}
    assert "1" not in said["ports"]  # its way is port 2's now


@pytest.mark.parametrize("name", ["HUB-1_a", "left.rack", "usb-1-2"])
def test_any_name_of_a_hub_is_one_key_of_the_settings(name: str) -> None:
    said = tomllib.loads(command.as_toml(name, Bench().look(), {1: "5.1"}))
    assert said["hubs"][name]["ports"] == {"1": "5.1"}


def test_a_hub_that_is_not_plugged_in_teaches_nothing() -> None:
    bench = Bench({"HUB1": Hub(path="1-3")})
    bench.usb.unplug("1-2")
    bench.usb.unplug("2-2")
    with pytest.raises(NotDone, match="not plugged in"):
        command.learn(bench.look, bench.typed, bench.say)


@pytest.mark.parametrize("before", ['[hubs]\nHUB1 = "1-2"\n', '[hubs.HUB1]\npath = "1-3"\n', "nonsense"])
def test_a_settings_file_that_has_the_hub_or_is_none_stays_as_it_is(tmp_path: Path, before: str) -> None:
    file = tmp_path / "ottb.toml"
    file.write_text(before)
    with pytest.raises(NotDone):
        command.write(file, "HUB1", '[hubs.HUB1]\npath = "1-2"\n')
    assert file.read_text() == before


def lines(found: Iterator[str]) -> str:
    return "\n".join(found)


def test_hubs_and_what_is_switched_are_shown() -> None:
    [line] = command.rows([HubSummary(hub="HUB2", online=17, total=20)])
    assert " ".join(line.split()) == "HUB2 17 of 20 online"
    bench = Bench()
    bench.usb.plug(phone("1-2.6.4", None, speed=5000.0))
    said = lines(command.shown(bench.look()))
    assert "usb-1-2 on local: 1 of 20 online, plugged in at 1-2, 2-2" in said
    [row] = [line for line in said.splitlines() if " 6.4 " in line]
    assert row.split() == ["-", "6.4", "online", "-", "5000", "500", "?", "-"]
    phones = (PhoneOnPort(port=14, way="6.4", state=PortState.ONLINE, serial="S", slot=44),)
    done = PortPowered(hub="HUB2", host="h", port=14, action="cycle", dry=True, ways=("6.4",), phones=phones)
    assert "would be" in lines(command.switched(done)) and "slot 44, S (online)" in lines(command.switched(done))
