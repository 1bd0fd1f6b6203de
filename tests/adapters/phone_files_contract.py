"""What the file service of any phone does: the same cases for the virtual phone and the real adbd."""

import os

import pytest

from actors.adapters.phone_files import AdbTools
from actors.by_hand.port import FOLDER, REGULAR
from actors.slot.phone import PhoneRefused

HERE = "/data/local/tmp"


class PhoneFilesContract:
    """Subclasses give the fixture `tools`."""

    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_000_003])
    async def test_what_goes_comes_back(self, tools: AdbTools, size: int) -> None:
        content, path = os.urandom(size), f"{HERE}/sent {size}, 'quoted' \u0444"
        writer = await tools.writer(path, 0o100644)
        for start in range(0, size, 100_000):
            await writer.write(content[start : start + 100_000])
        await writer.finish()
        found = await tools.stat(path)
        assert found is not None and (found.kind, found.size) == (REGULAR, size)
        reader, parts = await tools.reader(path), []
        while piece := await reader.read(70_000):
            parts.append(piece)
        assert b"".join(parts) == content and all(len(part) == 70_000 for part in parts[:-1])
        reader.close()

    async def test_what_is_not_there_is_said(self, tools: AdbTools) -> None:
        assert await tools.stat(f"{HERE}/none") is None
        with pytest.raises(PhoneRefused, match="No such file"):
            await (await tools.reader(f"{HERE}/none")).read(10)

    async def test_a_folder_is_told_from_a_file(self, tools: AdbTools) -> None:
        found = await tools.stat(HERE)
        assert found is not None and found.kind == FOLDER

    async def test_links_are_followed_to_where_they_lead(self, tools: AdbTools) -> None:
        done = await tools.run(("readlink", "-f", f"{HERE}/not there"), timeout=5)
        assert (done.exit_code, done.output) == (0, f"{HERE}/not there\n")
        assert (await tools.run(("readlink", "-f", f"{HERE}/no folder/x"), timeout=5)).exit_code == 1

    async def test_a_file_is_put_in_place_of_another(self, tools: AdbTools) -> None:
        for name, content in (("old", b"old"), (".new", b"new")):
            writer = await tools.writer(f"{HERE}/{name}", 0o100644)
            await writer.write(content)
            await writer.finish()
        assert (await tools.run(("mv", "-f", f"{HERE}/.new", f"{HERE}/old"), timeout=5)).exit_code == 0
        reader = await tools.reader(f"{HERE}/old")
        assert await reader.read(10) == b"new"
        reader.close()

    async def test_a_word_stays_one(self, tools: AdbTools) -> None:
        word = "a'b\"; echo $(id) `id` *\n&& echo no"
        assert (await tools.run(("printf", "%s", word), timeout=5)).output == word
