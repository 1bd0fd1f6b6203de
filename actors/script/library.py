"""Scripts that know each other. Pure: whoever has the texts reads them."""

from collections.abc import Mapping

from actors.script.checking import check, steps_of
from actors.script.language import Run, Script
from actors.script.loading import Problem

MOST = 500  # scripts of one library


def library(
    texts: Mapping[str, str], known: Mapping[str, Script]
) -> tuple[dict[str, Script], dict[str, list[Problem]]]:
    """The scripts of some texts, by the names of their files without `.toml`, and what is wrong with the others. Each
    may run the others and those that are `known`. Too many are too many: the last of them are not read."""
    left = dict(sorted(texts.items())[:MOST])
    found: dict[str, Script] = {}
    wrong: dict[str, list[Problem]] = {}
    while left:
        wrong = {}
        for name, text in left.items():
            checked = check(text, {**known, **found}, name)
            if checked.script is not None:
                found[name] = checked.script
            else:
                wrong[name] = list(checked.problems)
        if wrong.keys() == left.keys():
            break
        left = {name: left[name] for name in wrong}
    return found, wrong


def kept(script: Script, known: Mapping[str, Script]) -> dict[str, Script]:
    """All that a run of a script needs, by name: itself, and what it runs. Kept with the run, it makes the same program
    for whoever takes over, whatever is in the files by then."""
    found = {script.name: script}
    left = [script]
    while left:
        for step in steps_of(left.pop()):
            if isinstance(step, Run) and step.script not in found:
                found[step.script] = known[step.script]
                left.append(known[step.script])
    return found
