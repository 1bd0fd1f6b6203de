"""Which adb servers a host has, and what cannot be of them."""

from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient
from actors.adapters.adb_place import AdbFile
from actors.runtime.settings import SettingsError
from actors.settings import load
from actors.slot.adb_servers import PHONES_LIMIT, AdbServer, servers_of
from actors.slot.settings import Adb
from bus_schemas.slot import SlotConfig

ALL, NETWORK = AdbServer(), AdbServer(usb=False)


def slots(network: int = 0, usb: int = 0, host: str = "local") -> list[SlotConfig]:
    on_network = [SlotConfig(id=at, serial=f"10.0.0.{at}:5555", host=host) for at in range(1, network + 1)]
    on_usb = [SlotConfig(id=1000 + at, serial=f"P{at}", host=host) for at in range(usb)]
    return [*on_network, *on_usb]


@pytest.mark.parametrize(
    ("adb", "phones", "servers"),
    [
        (Adb(), slots(), [ALL]),
        (Adb(), slots(200), [ALL]),
        (Adb(), slots(usb=200), [ALL]),
        (Adb(), slots(150, 50), [ALL]),
        (Adb(), slots(201), [ALL, NETWORK]),
        (Adb(), slots(1000), [ALL, *[NETWORK] * 4]),
        (Adb(), slots(401, 10), [AdbServer(network=False), *[NETWORK] * 3]),
        (Adb(), slots(usb=300), [ALL]),
        (Adb(servers=3), slots(5), [ALL, NETWORK, NETWORK]),
        (Adb(servers=2), slots(5, 5), [AdbServer(network=False), NETWORK]),
        (Adb(phones_per_server=2), slots(5), [ALL, NETWORK, NETWORK]),
        (Adb(usb=((1, 2), (3,))), slots(usb=5), [AdbServer(buses=(1, 2)), AdbServer(buses=(3,))]),
        (
            Adb(usb=((1,), (3,))), slots(1, 1),
            [AdbServer(buses=(1,), network=False), AdbServer(buses=(3,), network=False), NETWORK],
        ),
        (Adb(host="10.0.0.9"), slots(1000), [ALL]),
    ],
)  # fmt: skip
def test_a_host_has_so_many_servers(adb: Adb, phones: list[SlotConfig], servers: list[AdbServer]) -> None:
    found = servers_of(adb, [*phones, *slots(900, host="another")], "local")
    assert list(found) == servers
    assert any(server.usb for server in found) and any(server.network for server in found)


def test_phones_on_the_network_are_spread_evenly_and_always_alike(tmp_path: Path) -> None:
    phones = slots(1000)
    servers = servers_of(Adb(), phones, "local")
    clients = [AdbClient.of(Adb(), servers, tmp_path) for _ in range(2)]
    counts = [0] * len(servers)
    for phone in phones:
        at, again = (client.server_for(phone.serial or "") for client in clients)
        assert at == again
        counts[at] += 1
    assert max(counts) < 260 < PHONES_LIMIT, counts
    assert [place.path.name for place in clients[0].places if isinstance(place, AdbFile)] == [
        "server.sock", *(f"server-{number}.sock" for number in (2, 3, 4, 5))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('host = "10.0.0.9"\nservers = 2', "adb.host: a server of yours is one"),
        ("usb = [[1, 2], [2]]", r"adb.usb\[1\]: bus 2 is of another server already"),
        ("usb = [[]]", r"adb.usb\[0\]: a server needs a bus"),
        ("usb = [[3]]", "hubs.HUB1: no server of .adb. usb has its bus"),
        ("usb = [[1], [2]]", "hubs.HUB1: it is on buses of several servers"),
        ("phones_per_server = 301", r"\$\.adb\.phones_per_server"),
    ],
)
def test_servers_that_cannot_be_are_refused_by_name(tmp_path: Path, text: str, mistake: str) -> None:
    config = tmp_path / "ottb.toml"
    config.write_text(
        f'[sandbox]\nenabled = false\n[adb]\n{text}\n[hubs.HUB1]\npath = "1-2"\nalso = ["2-2"]\n'
        '[[slots]]\nid = 1\nserial = "P1"\n'
    )
    with pytest.raises(SettingsError, match=mistake):
        load(config=config, environment={})


def test_more_phones_on_usb_than_a_server_stands_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "ottb.toml"
    many = "".join(f'[[slots]]\nid = {at}\nserial = "P{at}"\n' for at in range(1, PHONES_LIMIT + 2))
    config.write_text(f"[sandbox]\nenabled = false\n{many}")
    with pytest.raises(SettingsError, match=r"321 phones on USB, .* give each server its USB buses"):
        load(config=config, environment={})
    assert len(load(config=config, environment={"OTTB_ADB__USB": "[[1, 2], [3, 4]]"}).adb_servers) == 2
