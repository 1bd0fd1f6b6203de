"""`ottb script check`: what is wrong with a script, before any phone is touched."""

from collections.abc import Callable
from pathlib import Path

from actors.script.checking import check
from actors.script.language import Script

SHIPPED = Path(__file__).resolve().parent.parent / "config" / "scripts"


def checked(files: tuple[Path, ...], say: Callable[[str], None], folder: Path = SHIPPED) -> bool:
    """Say of each file all that is wrong with it, as `file:line:column: where: why`, or that nothing is. True: nothing
    is. What a script runs is looked for beside it and among those that are shipped (`folder`)."""
    well = True
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            say(f"{file}:1:1: it cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8'}")
            well = False
            continue
        found = check(text, {**_library(folder), **_library(file.parent, besides=file)}, file.stem)
        for problem in found.problems:
            say(problem.text(str(file)))
        if found.script is not None:
            say(f"{file}: ok ({found.script.name}, version {found.script.version})")
        well = well and found.script is not None
    return well


def _library(folder: Path, besides: Path | None = None) -> dict[str, Script]:
    """The scripts of a folder that are well by themselves, or with the others there."""
    texts = {}
    for path in sorted(folder.glob("*.toml"))[:500]:
        if path != besides:
            try:
                texts[path.stem] = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError):
                continue
    found: dict[str, Script] = {}
    while True:
        fresh = {name: script for name, text in texts.items()
                 if name not in found and (script := check(text, found, name).script) is not None}  # fmt: skip
        if not fresh:
            return found
        found.update(fresh)
