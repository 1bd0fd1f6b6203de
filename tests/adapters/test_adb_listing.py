"""What servers list: read where it has changed, and told by the names that it concerns."""

import pytest

from actors.adapters import adb_listing
from actors.adapters.adb_listing import Listing, Seen

LINE = "P{0}                     {1} usb:1-2.{0} product:a52 model:A52 device:a52 transport_id:{2}\n"


def lines(*phones: int, state: str = "device", again: int = 0) -> str:
    return "".join(LINE.format(phone, state, phone + again) for phone in phones)


def test_only_lines_that_have_changed_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    device = adb_listing._device

    def counted(line: str, at: int) -> Seen:
        read.append(line)
        return device(line, at)

    monkeypatch.setattr(adb_listing, "_device", counted)
    listing = Listing()
    listing.put(0, lines(*range(1, 10)))
    assert len(read) == 9
    assert listing.put(0, lines(*range(1, 10))) == set()
    assert listing.put(0, lines(1, 2, 3) + lines(4, state="offline") + lines(5, 6, 7, 8, 9)) == {"P4", "usb:1-2.4"}
    assert listing.put(0, lines(1, 2, 3, 5, 6, 7, 8, 9)) == {"P4", "usb:1-2.4"}
    assert len(read) == 10 and listing.at("usb:1-2.4") is None and listing.count(0) == 8


def test_a_list_that_is_none_changes_nothing() -> None:
    listing = Listing()
    listing.put(0, lines(1))
    with pytest.raises(ValueError, match="cut short"):
        listing.put(0, lines(1, 2)[:-9])
    assert [seen.serial for seen in listing] == ["P1"] and listing.is_up(0)


def test_each_server_has_phones_and_connections_of_its_own() -> None:
    listing = Listing(2)
    listing.put(0, lines(1))
    assert listing.put(1, lines(2).replace("transport_id:2", "transport_id:1")) == {"P2", "usb:1-2.2"}
    (one,), (other,) = listing.of_serial("P1"), listing.of_serial("P2")
    assert one.transport_id == other.transport_id and one.connection != other.connection
    assert listing.gone(0) == {"P1", "usb:1-2.1"}
    assert [seen.serial for seen in listing] == ["P2"] and not listing.is_up(0) and listing.is_up(1)
    assert listing.put(0, "") == set() and listing.is_up(0)


def test_phones_of_two_servers_with_one_serial_are_told_apart() -> None:
    listing = Listing(2)
    listing.put(0, lines(1))
    listing.put(1, lines(1).replace("1-2.1", "3-2.1"))
    assert {listing.key(seen) for seen in listing} == {"usb:1-2.1", "usb:3-2.1"}
    listing.gone(1)
    assert [listing.key(seen) for seen in listing] == ["P1"]
