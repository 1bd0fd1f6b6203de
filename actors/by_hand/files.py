"""Files and apps: to a phone and from it, never whole in memory anywhere."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from actors.by_hand import paths
from actors.by_hand.places import Place, Places
from actors.by_hand.port import FOLDER, LINK, REGULAR, FileReader, FileWriter, PhoneTools
from actors.by_hand.settings import ByHand
from actors.by_hand.streams import GONE, Streams, refusal_of
from actors.runtime.context import Context
from actors.slot.phone import PhoneError
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.permissions import Action
from bus_schemas.slot_files import (
    PIECE,
    AppChanged,
    FilePushed,
    InstallApp,
    OpenedStream,
    OpenPush,
    PullFile,
    PushFile,
    SentFile,
    UninstallApp,
)

ASKED_SECONDS = 10.0
INSTALL_SECONDS, UNINSTALL_SECONDS = 180.0, 45.0
APPS_FOLDER = "/data/local/tmp"  # where every phone lets adb put a file
# What lies here is run by its path, by hosts (uiautomator2's server, as the phone's shell) or by the phone itself:
# whoever put a file there would run commands.
PROGRAMS = ("/data/local", "/data/adb", "/data/app", "/system", "/system_ext", "/vendor", "/product", "/odm", "/apex")
MODE = 0o100644
SAID = 500  # characters of what a phone says of an app

NO_FILE = RefusalTemplate(ErrorCode.NOT_FOUND, "There is no such file on the phone.")
NO_FOLDER = RefusalTemplate(ErrorCode.NOT_FOUND, "There is no such folder on the phone.")
NOT_WHOLE = RefusalTemplate(ErrorCode.CONFLICT, "The file did not arrive whole. Nothing was changed. Send it again.")


@dataclass
class Pulled:
    """A file on its way from a phone. `left`: bytes that it may still have."""

    reader: FileReader
    left: int

    async def next(self) -> tuple[bytes, bool]:
        data = await self.reader.read(PIECE)
        self.left -= len(data)
        if self.left < 0:
            raise Refusal(ErrorCode.PAYLOAD_TOO_LARGE, "The file has grown beyond what may be pulled.")
        return data, len(data) < PIECE

    async def put(self, data: bytes) -> None:
        raise GONE()

    def close(self) -> None:
        self.reader.close()


class Pushed:
    """A file on its way to a phone, into a place beside the one that it is for. `left`: bytes that it may have yet."""

    def __init__(self, writer: FileWriter, beside: str, path: str | None, left: int) -> None:
        self.writer = writer
        self.beside = beside
        self.path = path
        self._left = left
        self._digest = hashlib.sha256()
        self.size = 0

    async def next(self) -> tuple[bytes, bool]:
        raise GONE()

    async def put(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise Refusal(ErrorCode.PAYLOAD_TOO_LARGE, "The file is larger than may be pushed.")
        self._digest.update(data)
        self.size += len(data)
        await self.writer.write(data)

    def is_whole(self, file: SentFile) -> bool:
        return (file.size, file.digest) == (self.size, self._digest.hexdigest())

    def close(self) -> None:
        self.writer.close()


class Files:
    """The contract lines of files and apps."""

    def __init__(self, places: Places, streams: Streams, settings: ByHand) -> None:
        self._places = places
        self._streams = streams
        self._settings = settings

    async def pull(self, request: PullFile, context: Context) -> OpenedStream:
        """PULL_FILE."""
        place = self._places.seen(request.slot, context)
        self._streams.room(context)
        with _refusing():
            path = await self._resolved(place.tools, request.path)
            found = await place.tools.stat(path)
            if found is None:
                raise NO_FILE()
            if found.kind != REGULAR:
                raise misfit("path", "that is no file.")
            if found.size > self._settings.file_limit:
                raise _too_large(self._settings.file_limit)
            reader = await place.tools.reader(path)
        source = Pulled(reader, self._settings.file_limit)
        stream = self._streams.open(source, place.id, context)
        return OpenedStream(stream=stream, name=paths.name_of(request.path), size=found.size)

    async def open_push(self, request: OpenPush, context: Context) -> OpenedStream:
        """OPEN_PUSH, before a byte of the file was taken."""
        context.must(Action.SLOT_APPS if request.path is None else Action.SLOT_PUSH)
        place = self._places.held(request.slot, context)
        self._streams.room(context)
        most = self._settings.app_limit if request.path is None else self._settings.file_limit
        if request.size > most:
            raise _too_large(most)
        with _refusing():
            folder = APPS_FOLDER if request.path is None else await self._folder_of(place.tools, request.path)
            ending = "apk" if request.path is None else "part"
            beside = f"{folder}/.ottb-{self._places.host.ids.new()}.{ending}"
            self._places.held(place.id, context)  # the phone was asked meanwhile, for up to a minute
            writer = await place.tools.writer(beside, MODE)
        source = Pushed(writer, beside, request.path, most)
        return OpenedStream(stream=self._streams.open(source, place.id, context))

    async def push(self, request: PushFile, context: Context) -> FilePushed:
        """PUSH_FILE, once all of it was sent."""
        place = self._places.held(request.slot, context)
        sent = self._sent(request.file, place.id, context, request.path)
        with _refusing():
            await self._finished(place, sent, request.file)
            folder = await self._folder_of(place.tools, request.path)  # links may have changed since
            if folder != paths.parent(sent.beside):
                await self._forget(place, sent)
                raise NOT_WHOLE()
            there = f"{folder}/{paths.name_of(request.path)}"
            await self._still_held(place, sent, context)
            await self._must_do(place, sent, ("mv", "-f", sent.beside, there))
        return FilePushed(status="pushed", slot=place.id, path=request.path, size=sent.size)

    async def install(self, request: InstallApp, context: Context) -> AppChanged:
        """INSTALL_APP, once all of it was sent."""
        place = self._places.held(request.slot, context)
        sent = self._sent(request.file, place.id, context, None)
        words = ["pm", "install", "-r", *(["-g"] if request.grant else []), sent.beside]
        with _refusing():
            await self._finished(place, sent, request.file)
            await self._still_held(place, sent, context)
            try:
                said = await self._of_pm(place, words, INSTALL_SECONDS)
            finally:
                await self._forget(place, sent)
        return AppChanged(status="installed", slot=place.id, said=said)

    async def uninstall(self, request: UninstallApp, context: Context) -> AppChanged:
        """UNINSTALL_APP."""
        place = self._places.held(request.slot, context)
        with _refusing():
            found = await place.tools.run(("pm", "path", request.package), timeout=ASKED_SECONDS)
            if found.exit_code or not found.output.startswith("package:"):
                raise Refusal(ErrorCode.NOT_FOUND, "There is no such app on the phone.")
            self._places.held(place.id, context)
            said = await self._of_pm(place, ("pm", "uninstall", request.package), UNINSTALL_SECONDS)
        return AppChanged(status="uninstalled", slot=place.id, said=said)

    # --- inside

    async def _resolved(self, tools: PhoneTools, path: str) -> str:
        """Where the links of a path lead, which is in one of the folders. Raises Refusal, PhoneError."""
        if (why := paths.wrong(path)) is not None:
            raise misfit("path", why)
        folders = [folder for folder in self._settings.folders if paths.within(path, [folder])]
        if not folders:
            raise misfit("path", f"files are taken from and put into {', '.join(self._settings.folders)}.")
        real = await self._links_of(tools, path)
        roots = [await self._links_of(tools, folder) for folder in folders]
        if not paths.within(real, [root for root in roots if root != "/"]):
            raise misfit("path", "a link in it leads out of the folders in which files are taken and put.")
        return real

    async def _links_of(self, tools: PhoneTools, path: str) -> str:
        done = await tools.run(("readlink", "-f", path), timeout=ASKED_SECONDS)
        real = done.output.removesuffix("\n")
        if done.exit_code or done.truncated or paths.wrong(real) is not None:
            raise NO_FILE()
        return real

    async def _folder_of(self, tools: PhoneTools, path: str) -> str:
        """The folder into which a file of this path is put. Raises Refusal, PhoneError."""
        if (why := paths.wrong(path)) is not None:
            raise misfit("path", why)
        try:
            real = await self._resolved(tools, path)
        except Refusal as refusal:
            raise (NO_FOLDER() if NO_FILE.made(refusal) else refusal) from None
        named = f"{await self._links_of(tools, paths.parent(path))}/{paths.name_of(path)}"
        found = await tools.stat(named)
        if found is not None and found.kind in (FOLDER, LINK):
            raise misfit("path", "there is a folder, or a link, of this name.")
        folder = await tools.stat(paths.parent(named))
        if real != named or folder is None or folder.kind != FOLDER:
            raise misfit("path", "there is no such folder.")
        if paths.within(real, (*PROGRAMS, await self._links_of(tools, APPS_FOLDER))):
            raise misfit("path", "programs are run from there: no file is put there.")
        return paths.parent(real)

    def _sent(self, file: SentFile, slot: int, context: Context, path: str | None) -> Pushed:
        source = self._streams.taken(file.key, slot, context)
        if not isinstance(source, Pushed) or source.path != path:
            source.close()
            raise GONE()
        return source

    async def _finished(self, place: Place, sent: Pushed, file: SentFile) -> None:
        if not sent.is_whole(file):
            sent.close()
            raise NOT_WHOLE()
        await sent.writer.finish()

    async def _still_held(self, place: Place, sent: Pushed, context: Context) -> None:
        """The slot may be somebody else's by now: then nothing of the file stays. Raises Refusal."""
        try:
            self._places.held(place.id, context)
        except Refusal:
            await self._forget(place, sent)
            raise

    async def _must_do(self, place: Place, sent: Pushed, words: Sequence[str]) -> None:
        done = await place.tools.run(words, timeout=ASKED_SECONDS)
        if done.exit_code:
            await self._forget(place, sent)
            raise Refusal(ErrorCode.CONFLICT, f"The phone did not do it: {_said(done.output)}")

    async def _of_pm(self, place: Place, words: Sequence[str], seconds: float) -> str:
        done = await place.tools.run(words, timeout=seconds)
        said = _said(done.output)
        if done.exit_code or "Success" not in done.output:
            raise Refusal(ErrorCode.CONFLICT, f"The phone did not do it: {said}")
        return said

    async def _forget(self, place: Place, sent: Pushed) -> None:
        with suppress(PhoneError):
            await place.tools.run(("rm", "-f", sent.beside), timeout=ASKED_SECONDS)


class _refusing:
    """What goes wrong on the phone, as a refusal."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, PhoneError):
            raise refusal_of(error) from None


def _said(output: str) -> str:
    return " ".join(output.split())[:SAID]


def _too_large(most: int) -> Refusal:
    return Refusal(ErrorCode.PAYLOAD_TOO_LARGE, f"The file is larger than {most:,} bytes.", most=most)
