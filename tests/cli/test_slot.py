"""`ottb slot screenshot`."""

from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from cli.gateway import NotDone, Session
from cli.slot import screenshot
from ottb_client import Client
from ottb_client.answers import Download


class Api(Client):
    """Answers with a picture. `asked`: of which slot, and in which form."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.asked: list[tuple[int, Any]] = []

    def take_screenshot(self, slot: int, *, format: Any = "png", **more: Any) -> Download:
        self.asked.append((slot, format))

        async def pieces(given: Any) -> AsyncIterator[bytes]:
            yield b"pic"
            yield b"ture"

        return Download(pieces, {})


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    with pytest.raises(StopIteration) as done:
        work.send(None)
    return done.value.value


@pytest.mark.parametrize(("name", "form"), [("a.png", "png"), ("a.JPG", "jpeg"), ("a.jpeg", "jpeg"), ("a", "png")])
def test_a_picture_is_written_as_its_name_says(tmp_path: Path, name: str, form: str) -> None:
    api = Api()
    assert screenshot(Session(api, at_once), 44, tmp_path / name) == 7
    assert ((tmp_path / name).read_bytes(), api.asked) == (b"picture", [(44, form)])


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="No such file"):
        screenshot(Session(Api(), at_once), 44, tmp_path / "none" / "a.png")
