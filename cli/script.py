"""`ottb script check`: what is wrong with a script, before any phone is touched."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from actors.script.checking import check
from actors.script.language import Script
from actors.script.library import kept, library
from actors.script.permissions import taken

SHIPPED = Path(__file__).resolve().parent.parent / "config" / "scripts"


def checked(files: tuple[Path, ...], say: Callable[[str], None], folder: Path = SHIPPED) -> bool:
    """Say of each file all that is wrong with it, as `file:line:column: where: why`, or that nothing is. True: nothing
    is. What a script runs is looked for beside it and among those that are shipped (`folder`)."""
    well, shipped = True, _library(folder, {})
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            say(f"{file}:1:1: it cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8'}")
            well = False
            continue
        known = {**shipped, **_library(file.parent, shipped, besides=file)}
        found = check(text, known, file.stem)
        for problem in found.problems:
            say(problem.text(str(file)))
        if found.script is not None:
            say(f"{file}: ok ({found.script.name}, version {found.script.version}){_takes(found.script, known)}")
        well = well and found.script is not None
    return well


def _takes(script: Script, known: Mapping[str, Script]) -> str:
    takes = sorted(taken(kept(script, known).values()))
    return f", takes {', '.join(takes)}" if takes else ""


def _library(folder: Path, known: Mapping[str, Script], besides: Path | None = None) -> dict[str, Script]:
    """The scripts of a folder that can be run."""
    texts: dict[str, str] = {}
    for path in folder.glob("*.toml"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path != besides:
                texts[path.stem] = path.read_text(encoding="utf-8-sig")
    return library(texts, known)[0]
