"""The version of this package, which `pyproject.toml` alone says."""

import tomllib
from importlib import metadata
from pathlib import Path

PACKAGE = "ottb"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def version(project: Path = PROJECT) -> str:
    """The version of the checkout that this file is in, else of the package that is installed."""
    if project.exists():
        said = tomllib.loads(project.read_text()).get("project", {})
        if said.get("name") == PACKAGE:
            return str(said["version"])
    return metadata.version(PACKAGE)
