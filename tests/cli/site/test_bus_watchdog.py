"""A site whose disk was full goes on by itself, on a real server with a small disk."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from actors.adapters.nats_bus import NatsBus
from actors.runtime.bus import ID, STUCK, BusError, RequestTimeout
from bench.parts import free_port, process
from cli.site import bus_watchdog
from cli.site.bus_watchdog import free_bytes, watch_streams
from cli.site.probes import nats_answers
from tests.runtime.test_buses import NATS_SERVER
from tests.support.site import PATIENCE
from tests.support.small_disk import small_disk

CONFIG = """listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: always, max_file_store: 1GB }}
accounts {{
  A {{ jetstream: enabled, users: [ {{ user: core, password: c }} ] }}
  SYS {{ users: [ {{ user: sys, password: s }} ] }}
}}
system_account: SYS
"""
SUBJECT = "ottb.v1.evt.call.slot-1.c1.dialing"


async def test_a_stuck_server_is_restarted_once_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.nats_writer.APPEND_DEADLINE", 1.0)
    monkeypatch.setattr("actors.adapters.nats_writer.TRY_TIMEOUT", 0.5)
    monkeypatch.setattr(bus_watchdog, "ENOUGH", 1024 * 1024)
    said: list[str] = []
    async with small_disk(tmp_path / "disk", megabytes=16) as disk:
        if disk is None:
            assert free_bytes(str(tmp_path / "not there")) == 0
            return  # a disk that is full cannot be had here; `tests/runtime/test_full_disk.py` has the quota
        port = free_port()
        config = tmp_path / "nats.conf"
        config.write_text(CONFIG.format(port=port, store=disk.folder / "js"))
        running: list[asyncio.subprocess.Process] = []

        async def keep_running() -> None:
            while True:
                async with process(*disk.inside(NATS_SERVER, "-c", str(config))) as server:
                    running.append(server)
                    await server.wait()

        keeper = asyncio.ensure_future(keep_running())
        async with asyncio.timeout(PATIENCE):
            while not await nats_answers(port):
                await asyncio.sleep(0.02)
        url = f"nats://127.0.0.1:{port}"
        core = await NatsBus.connect(url, name="core", user="core", password="c")
        sys = await NatsBus.connect(url, name="sys", user="sys", password="s")
        await core.ensure_streams()
        seen = str(disk.seen)
        watchdog = asyncio.ensure_future(
            watch_streams(
                sys,
                free=lambda: free_bytes(seen),
                restart=lambda: running[-1].terminate(),
                say=said.append,
                pause=0.2,
            )
        )
        disk.fill()
        with pytest.raises(RequestTimeout):
            await core.append(SUBJECT, b"x" * 100_000, {ID: "a"}, scope=SUBJECT, expect=0)
        assert core.healthy() == STUCK
        await asyncio.sleep(1.0)
        assert len(running) == 1 and len(said) == 1  # said once, and not restarted on a full disk
        disk.free()
        async with asyncio.timeout(PATIENCE):
            while core.healthy() is not None or await core.last(SUBJECT) is None:
                with contextlib.suppress(BusError):
                    await core.append(SUBJECT, b"x" * 100_000, {ID: "a"}, scope=SUBJECT, expect=0)
                await asyncio.sleep(0.1)
        assert len(running) == 2 and len(said) == 2
        for task in (watchdog, keeper):
            task.cancel()
        await asyncio.gather(watchdog, keeper, return_exceptions=True)
        await core.close()
        await sys.close()
