"""Who seals: the host that has the archive's shard, and no other; what is in its way is said once."""

from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from actors.archive.archive import Archive
from actors.archive.settings import Archive as Settings
from actors.archive.start import ID, Duty, start
from actors.archive.store import NotKept
from actors.runtime.host import Host
from actors.runtime.rendezvous import shard_of
from actors.runtime.shards import owned
from tests.archive.days import Days
from tests.support.site import until
from tests.support.whole import SETTINGS, Whole


class OfParts:
    """What of a host's parts the duty uses."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.background: list[object] = []
        self.this_host: list[object] = []


async def up(folder: Path) -> Whole:
    """A site that has all of its shards."""
    site = Whole(folder, SETTINGS)
    await site.start()

    async def shard() -> Host | None:
        return owned(site.host, ID)

    await until(shard, bool)
    return site


async def test_only_the_owner_of_its_shard_seals(tmp_path: Path) -> None:
    days, site = Days(tmp_path / "archive"), await up(tmp_path)
    for _ in range(3):
        await days.passes()
    duty = Duty(OfParts(site.host), days.archive())  # type: ignore[arg-type]
    shard = site.host.shards.pop(shard_of(ID))
    await duty.turn()
    assert days.files() == []
    site.host.shards[shard_of(ID)] = shard
    await duty.turn()
    assert len(days.files()) == 3
    await site.stop()


async def test_what_is_in_the_way_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days, site = Days(tmp_path / "archive"), await up(tmp_path)
    await days.passes()
    duty = Duty(OfParts(site.host), days.archive())  # type: ignore[arg-type]

    async def full(self: Archive, host: str) -> None:
        raise NotKept("the archive: No space left on device")

    told = LogCapture()
    with monkeypatch.context() as patch:
        patch.setattr("actors.archive.start.log", structlog.wrap_logger(None, [told], structlog.stdlib.BoundLogger))
        patch.setattr(Archive, "seal", full)
        for _ in range(3):
            await duty.turn()
    assert [line["event"] for line in told.entries] == ["no day can be sealed"]
    await duty.turn()
    assert len(days.files()) == 1
    await site.stop()


async def test_what_goes_wrong_inside_ends_no_duty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days, site = Days(tmp_path / "archive"), await up(tmp_path)
    await days.passes()
    duty = Duty(OfParts(site.host), days.archive())  # type: ignore[arg-type]

    async def broken(self: Archive, host: str) -> None:
        raise ValueError("inside")

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "seal", broken)
        await duty.turn()
    await duty.turn()
    assert len(days.files()) == 1
    await site.stop()


@pytest.mark.parametrize("enabled", [False, True])
async def test_it_is_off_unless_it_is_set(tmp_path: Path, enabled: bool) -> None:
    site = Whole(tmp_path, SETTINGS)
    await site.start()
    parts = OfParts(site.host)
    start(parts, settings=Settings(enabled=enabled), archive=site.archive)  # type: ignore[arg-type]
    assert len(parts.background) == enabled
    assert not (tmp_path / "archive").exists()
    await site.stop()
