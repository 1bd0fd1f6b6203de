"""What the host client must be able to do with any phone: the same cases for the virtual phone and the real adbd."""

import asyncio
import os
from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient, AdbRefused, AdbServerGone, LongShell
from actors.adapters.adb_listing import parse_devices
from actors.adapters.adb_place import AdbFile, AdbPort
from actors.adapters.adb_tools import AdbTools
from actors.slot.phone import PhoneUncertain
from tests.support.site import PATIENCE


class HostClientContract:
    """Subclasses give the fixtures `client` and `serial`: a phone that is connected to the client's adb server."""

    async def test_the_server_tells_its_version(self, client: AdbClient) -> None:
        assert await client.version() >= 41

    async def test_the_phone_is_tracked_as_online(self, client: AdbClient, serial: str) -> None:
        async with asyncio.timeout(PATIENCE):
            async for text in client.track():
                devices = parse_devices(text)
                if devices.get(serial) is not None and devices[serial].state == "device":
                    assert devices[serial].transport_id.isdigit()
                    break

    @pytest.mark.parametrize(("command", "code"), [("true", 0), ("false", 1), ("no-such-command", 127)])
    async def test_exit_codes_come_through(self, client: AdbClient, serial: str, command: str, code: int) -> None:
        assert (await client.shell(serial, command, timeout=5, max_output=4096)).exit_code == code

    async def test_both_outputs_are_read(self, client: AdbClient, serial: str) -> None:
        done = await client.shell(serial, "echo out; no-such-command", timeout=5, max_output=4096)
        assert done.output.startswith("out\n") and "no-such-command" in done.output and not done.truncated

    async def test_quotes_pipes_and_conditions_work(self, client: AdbClient, serial: str) -> None:
        line = "echo 'a b' | grep 'a b' && echo yes || echo no; false || echo fallback"
        assert (await client.shell(serial, line, timeout=5, max_output=4096)).output == "a b\nyes\nfallback\n"

    async def test_output_is_cut_at_the_asked_size_and_said_to_be(self, client: AdbClient, serial: str) -> None:
        done = await client.shell(serial, "cat /big", timeout=10, max_output=100_000)
        assert len(done.output) == 100_000 and done.truncated and done.exit_code == 0

    async def test_large_output_arrives_whole(self, client: AdbClient, serial: str) -> None:
        done = await client.shell(serial, "cat /big", timeout=10, max_output=10_000_000)
        assert done.output == "0123456789abcdef" * (3_000_000 // 16) and not done.truncated

    async def test_a_command_that_hangs_is_uncertain_in_time(self, client: AdbClient, serial: str) -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(PhoneUncertain):
            await client.shell(serial, "sleep 30", timeout=0.3, max_output=100)
        assert asyncio.get_running_loop().time() - began < 5

    async def test_the_long_shell_runs_commands_in_order(self, client: AdbClient, serial: str) -> None:
        shell = LongShell(client=client, serial=serial)
        for number in range(50):
            done = await shell.run(f"echo {number}; {'true' if number % 2 else 'false'}", timeout=5)
            assert (done.output, done.exit_code) == (f"{number}\n", 0 if number % 2 else 1)
        shell.close()

    async def test_the_long_shell_serves_many_askers_one_after_another(self, client: AdbClient, serial: str) -> None:
        shell = LongShell(client=client, serial=serial)
        done = await asyncio.gather(*(shell.run(f"echo {number}", timeout=10) for number in range(30)))
        assert [one.output for one in done] == [f"{number}\n" for number in range(30)]
        shell.close()

    async def test_the_long_shell_opens_afresh_after_a_hang(self, client: AdbClient, serial: str) -> None:
        shell = LongShell(client=client, serial=serial)
        with pytest.raises(PhoneUncertain):
            await shell.run("sleep 30", timeout=0.3)
        assert (await shell.run("echo again", timeout=5)).output == "again\n"
        shell.close()

    async def test_shells_run_beside_each_other(self, client: AdbClient, serial: str) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(client.shell(serial, "sleep 0.5", timeout=5, max_output=10) for _ in range(8)))
        assert asyncio.get_running_loop().time() - began < 3

    async def test_a_stream_is_read_line_by_line_to_its_end(self, client: AdbClient, serial: str) -> None:
        command = "echo one; sleep 0.1; echo two"
        async with asyncio.timeout(PATIENCE), client.lines(serial, command) as stream:
            lines = [line async for line in stream]
        assert lines == ["one", "two"]

    async def test_an_unknown_phone_is_refused_in_the_servers_words(self, client: AdbClient) -> None:
        with pytest.raises(AdbRefused, match="not found"):
            await client.shell("nosuchphone", "true", timeout=5, max_output=10)

    async def test_a_server_that_is_not_there_says_nothing_about_the_phone(self) -> None:
        with pytest.raises(AdbServerGone):
            await AdbClient(AdbPort("127.0.0.1", 9)).shell("any", "true", timeout=5, max_output=10)

    async def test_adbutils_moves_files(self, client: AdbClient, serial: str, tmp_path: Path) -> None:
        """Over the server's socket file, which it knows nothing of. Several at once: each has a connection.
        Screenshots: `test_adb_tools.py`; Debian's adbd has no terminals for them."""

        def move(number: int) -> bool:
            device = AdbTools(client.places[0]).device(serial)
            sent, back = tmp_path / f"sent{number}", tmp_path / f"back{number}"
            sent.write_bytes(os.urandom(1_000_003))
            there = f"/data/local/tmp/sent{number}"
            device.sync.push(sent, there)
            device.sync.pull(there, back)
            return sent.read_bytes() == back.read_bytes()

        assert isinstance(client.places[0], AdbFile)
        assert await asyncio.gather(*(asyncio.to_thread(move, number) for number in range(4))) == [True] * 4

    async def test_bytes_of_a_picture_come_unchanged(self, client: AdbClient, serial: str, tmp_path: Path) -> None:
        """As those of `screencap -p` do: no line ends are made others on the way. Not by `exec:`, for which Debian's
        adbd wants a terminal."""
        content = b"\x89PNG\r\n\x1a\n\0\xff" + os.urandom(300_000) + b"\r\n\n\0"

        def work() -> bytes:
            device = AdbTools(client.places[0]).device(serial)
            (tmp_path / "picture").write_bytes(content)
            device.sync.push(tmp_path / "picture", "/data/local/tmp/picture.png")
            with device.open_transport() as connection:
                connection.send_command("shell,v2,raw:cat /data/local/tmp/picture.png")
                connection.check_okay()
                received, said = b"", {1: b"", 2: b""}
                while part := connection.conn.recv(65536):
                    received += part
            while received:
                size = int.from_bytes(received[1:5], "little")
                said[received[0]] = said.get(received[0], b"") + received[5 : 5 + size]
                received = received[5 + size :]
            assert (said[2], said[3]) == (b"", b"\0")
            return said[1]

        assert await asyncio.to_thread(work) == content
