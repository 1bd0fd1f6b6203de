"""What several commands of `ottb` take, and a session for those that ask the HTTP API."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.terminal import harmless

if TYPE_CHECKING:
    from actors.settings import Settings
    from cli.gateway import Session

CONFIG = click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings file (TOML)."
)


def settings_of(config: Path | None) -> "Settings":
    """The settings of this run. Raises ClickException."""
    from actors.runtime.settings import SettingsError
    from actors.settings import load

    try:
        return load(config=config, environment=os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def begun(settings: "Settings", port: int, user: str, password: str) -> Iterator["Session"]:
    """A session at a port of the site on this machine, which nobody but the site's user may answer. What the API
    refuses ends the command."""
    from cli.gateway import NotDone, in_words, session
    from cli.site.ports import CannotStart
    from cli.site.private import owner_of
    from ottb_client import ApiError

    state = settings.state
    try:
        owner = owner_of(state) if state.exists() else os.geteuid()
        with session(settings.http, port, owner, user, password) as running:
            yield running
    except ApiError as error:
        raise click.ClickException(harmless(in_words(error))) from None
    except (CannotStart, NotDone) as error:
        raise click.ClickException(str(error)) from None


def password_of(user: str) -> str:
    """Of whoever logs in: of the environment, or asked for."""
    return secret("OTTB_PASSWORD", f"Password of {user}", twice=False)


def secret(variable: str, question: str, *, twice: bool) -> str:
    """What no list of processes is to show."""
    return os.environ.get(variable) or click.prompt(question, hide_input=True, confirmation_prompt=twice, err=True)


AS = click.option("--as", "user", default="admin", show_default=True, help="Log in as this user.")
JSON = click.option("--json", "as_json", is_flag=True, help="The API's answer, as JSON.")


def logged_in(settings: "Settings", user: str) -> AbstractContextManager["Session"]:
    """A session at WORKSPACE, which serves all of the API."""
    return begun(settings, settings.http.workspace_port, user, password_of(user))
