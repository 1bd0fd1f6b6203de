"""`ottb script check`: what is wrong with files of scripts."""

import os
from pathlib import Path

from click.testing import CliRunner

from cli.main import main
from cli.script import SHIPPED

WAIT = '[[steps]]\ndo = "wait"\nseconds = 1\n'


def run(*files: Path) -> tuple[int, list[str]]:
    before = os.umask(0o077)  # which the command sets for its process: here it is that of other tests
    try:
        result = CliRunner().invoke(main, ["script", "check", *map(str, files)])
    finally:
        os.umask(before)
    return result.exit_code, result.output.splitlines()


def script(folder: Path, name: str, steps: str) -> Path:
    file = folder / f"{name}.toml"
    file.write_text(f'name = "{name}"\nversion = 2\nsummary = "x"\n{steps}')
    return file


def test_the_shipped_scripts_are_well() -> None:
    code, said = run(*sorted(SHIPPED.glob("*.toml")))
    assert code == 0 and all(": ok (" in line for line in said)


def test_all_that_is_wrong_is_said_with_its_place(tmp_path: Path) -> None:
    bad = script(tmp_path, "bad", '[[steps]]\ndo = "open"\nlink = "tel:112"\n[[steps]]\ndo = "tap"\non = {}\n')
    good = script(tmp_path, "good", WAIT)
    code, said = run(bad, good)
    assert code == 1 and said[0].startswith(f"{bad}:6:1: steps[0].link: a link of `tel:`")
    assert said[1].startswith(f"{bad}:9:1: steps[1].on: an empty selector") and said[2].endswith("ok (good, version 2)")


def test_what_a_script_runs_is_found_beside_it_and_among_the_shipped(tmp_path: Path) -> None:
    script(tmp_path, "inner", WAIT)
    script(tmp_path, "middle", '[[steps]]\ndo = "run"\nscript = "inner"\n')
    outer = script(
        tmp_path, "outer", '[[steps]]\ndo = "run"\nscript = "middle"\n[[steps]]\ndo = "run"\nscript = "read_imei"\n'
    )
    assert run(outer) == (0, [f"{outer}: ok (outer, version 2)"])


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert run(file) == (1, [f"{file}:1:1: it cannot be read: it is no UTF-8"])
