"""Where a folder of cgroup v2 is delegated to us: what the kernel and systemd show, as plain files."""

from pathlib import Path

import pytest

from actors.adapters.runner.cgroup import NotDelegated, delegated


def shown(tmp_path: Path, own: str, controllers: str | None = "cpu memory pids") -> tuple[Path, Path]:
    """A mount with our service's folder, in which we are ourselves in a folder of our own; and /proc/self/cgroup."""
    mount, service = tmp_path / "cgroup", tmp_path / "cgroup/system.slice/ottb.service"
    (service / "main").mkdir(parents=True)
    if controllers is not None:
        (mount / "cgroup.controllers").write_text(controllers)
    (service / "cgroup.controllers").write_text(controllers or "")
    for folder in (service, service / "main"):
        (folder / "cgroup.procs").write_text("")
        (folder / "cgroup.subtree_control").write_text("")
    (tmp_path / "own").write_text(own)
    return mount, tmp_path / "own"


def test_a_delegated_folder_is_found_and_its_controllers_are_switched_on(tmp_path: Path) -> None:
    mount, own = shown(tmp_path, "0::/system.slice/ottb.service/main\n")
    folder = delegated(mount=mount, own=own)
    assert folder == mount / "system.slice/ottb.service"
    assert (folder / "cgroup.subtree_control").read_text() == "+memory +pids"


@pytest.mark.parametrize(
    ("own", "controllers", "reason"),
    [
        ("4:memory:/x\n", "memory pids", "no cgroup v2"),
        ("0::/system.slice/ottb.service/main\n", None, "no cgroup v2"),
        ("0::/\n", "memory pids", "not ours"),
        ("0::/elsewhere/gone/main\n", "memory pids", "not ours"),
        ("0::/system.slice/ottb.service/main\n", "cpu pids", "lacks the controllers memory"),
    ],
)
def test_why_none_is_delegated_is_told(tmp_path: Path, own: str, controllers: str | None, reason: str) -> None:
    mount, path = shown(tmp_path, own, controllers)
    with pytest.raises(NotDelegated, match=reason):
        delegated(mount=mount, own=path)
