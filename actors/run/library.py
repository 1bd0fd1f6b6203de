"""The scripts of one host: files that are read again when they have changed. What is wrong with a new text is said, and
the version before it goes on to be run.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from actors.runtime.toml_files import Stamp, stamps, text_of
from actors.script.checking import steps_of
from actors.script.language import Call, Script, Ussd
from actors.script.library import kept, library
from actors.script.permissions import taken
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.script import ParamView, ScriptView

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "scripts"
LARGEST = 1_000_000  # bytes of a file; a script has 200,000 characters at most

NO_SCRIPT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such script.")
Tell = Callable[[str, str | None], None]
Files = Mapping[str, Stamp]  # by their paths


class Scripts:
    """The scripts of these folders, the last of which counts where names are the same. `tell`: what is wrong with one
    of them is told by its name; None: nothing any more."""

    def __init__(self, folders: tuple[Path, ...], tell: Tell) -> None:
        self._folders = folders
        self._told = tell
        self._seen: Files = {}
        self._usable: dict[str, Script] = {}
        self._wrong: dict[str, str] = {}

    @property
    def usable(self) -> Mapping[str, Script]:
        return self._usable

    def look(self) -> bool:
        """Read the files again if any has changed. Returns whether one has."""
        seen = self.changed()
        if seen is not None:
            self.take(seen, *self.read(seen))
        return seen is not None

    def changed(self) -> Files | None:
        """The files as they are now. None: as they were read."""
        seen = dict(stamps(self._folders))
        return None if seen == self._seen else seen

    def read(self, seen: Files) -> tuple[dict[str, Script], dict[str, str]]:
        """The scripts in these files that can be run, and what is wrong with the others. It takes a while, and changes
        nothing here."""
        texts, wrong = self._read(seen)
        found, problems = library(texts, {})
        for name, those in problems.items():
            wrong[name] = "; ".join(problem.text(f"{name}.toml") for problem in those[:3])
        return found, wrong

    def take(self, seen: Files, found: dict[str, Script], wrong: dict[str, str]) -> None:
        """From now on, runs are of these."""
        self._seen = seen
        # A script whose new text is no good goes on as it was, with all that it runs, as long as that fits it.
        before = {name: script for name, script in self._usable.items() if name in wrong and name not in found}
        self._tell(wrong)
        self._usable = {**before, **found}

    def get(self, name: str) -> Script:
        """The newest version of a script that can be run. Raises Refusal(NOT_FOUND)."""
        script = self._usable.get(name)
        if script is None:
            raise NO_SCRIPT(script=name, **({"problem": self._wrong[name]} if name in self._wrong else {}))
        return script

    def with_its_own(self, script: Script) -> dict[str, Script]:
        """A script and all that it runs, by name."""
        return kept(script, self._usable)

    def view(self, script: Script) -> ScriptView:
        """As it is shown."""
        own = self.with_its_own(script).values()
        return ScriptView(
            name=script.name, version=script.version, summary=script.summary,
            params={name: ParamView(
                type=param.type, summary=param.summary, required=param.default is None, pattern=param.pattern,
                of=list(param.of) if param.of is not None else None, least=param.least, most=param.most,
                default=None if param.secret else param.default, secret=param.secret,
            ) for name, param in script.params.items()},
            values=list(script.values), deadline=script.deadline,
            apps=sorted({app for one in own for app in one.needs.apps}), android=script.needs.android,
            also=list(script.needs.also), ussd=sorted({code for one in own for code in one.needs.ussd}),
            calls=places_calls(own), permissions=sorted(taken(own)), problem=self._wrong.get(script.name),
        )  # fmt: skip

    # --- the files

    def _read(self, seen: Files) -> tuple[dict[str, str], dict[str, str]]:
        texts: dict[str, str] = {}
        wrong: dict[str, str] = {}
        for file in seen:
            path = Path(file)
            name = path.stem
            try:
                texts[name] = text_of(path, LARGEST)
                wrong.pop(name, None)
            except (OSError, ValueError) as error:
                texts.pop(name, None)
                wrong[name] = f"{path.name}: it cannot be read: {getattr(error, 'strerror', None) or error}"
        return texts, wrong

    def _tell(self, wrong: dict[str, str]) -> None:
        for name, why in wrong.items():
            if self._wrong.get(name) != why:
                kept_on = self._usable.get(name)
                still = f" (version {kept_on.version} goes on to be run)" if kept_on is not None else ""
                self._told(name, f"{why}{still}")
        for name in self._wrong.keys() - wrong.keys():
            self._told(name, None)
        self._wrong = wrong


def places_calls(scripts: Iterable[Script]) -> bool:
    """Whether one of them has a step that places a call in an app."""
    return any(isinstance(step, Call) for one in scripts for step in steps_of(one))


def sends_codes(scripts: Iterable[Script]) -> bool:
    """Whether one of them has a step that sends a service code."""
    return any(isinstance(step, Ussd) for one in scripts for step in steps_of(one))
