"""What definitions may ask for: names of variables, repositories, branches, patterns of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pipeline.variables import refused_name
from actors.runner.environment import refused_value
from actors.runner.globs import BadGlob, Glob
from actors.runner.repositories import refused_branch, refused_commit, refused_repository

REFUSED_NAMES = [
    "PATH", "path", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GIT_SSH_COMMAND",
    "GIT_DIR", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "git_proxy_command", "BASH_ENV", "BASH_FUNC_ls%%", "ENV",
    "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "PROMPT_COMMAND", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PERL5OPT",
    "PERL5LIB", "RUBYOPT", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "GCONV_PATH", "GLIBC_TUNABLES", "HOME",
    "TMPDIR", "PWD", "SSH_AUTH_SOCK", "http_proxy", "HTTPS_PROXY", "OTTB_RUN_MARK", "PARAM_X", "SECRET_X", "param_x",
    "EDITOR", "PAGER", "LESSOPEN", "MALLOC_CHECK_", "XDG_CONFIG_HOME", "NPM_CONFIG_PREFIX", "SUDO_ASKPASS",
    "", "1A", "A B", "A=B", "A-B", "A\0", "A\n", "Ä", "A" * 65, "$(id)",
]  # fmt: skip

REFUSED_BRANCHES = [
    "", "-", "--upload-pack=touch /tmp/x", "-oProxyCommand=id", "--", "-c", "--exec=id", "main --upload-pack=id", "a b",
    "../main", "a/../b", "a..b", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a~1", "a^", "a:b",
    "a?", "a*", "a[b]", "a\\b", "a@{1}", "@", "HEAD:", "+main", "refs/heads/*", "a\nb", "a\0b", "a\x7f", "a;id",
    "$(id)", "`id`", "a|b", "a&b", "a>b", "a'b", 'a"b', "ä", "a" * 201, "a\n", ":main", "main:evil",
]  # fmt: skip

BRANCHES = ["main", "release/1.2", "feature/a_b-c", "v1.0", "dependabot/npm/x@2", "fix#7", "a+b", "1", "HEAD"]

PLACES = ["/srv/git", "https://git.example.com/team/", "ssh://git@git.example.com"]
REPOSITORIES = [
    "/srv/git", "/srv/git/app.git", "/srv/git/a b", "https://git.example.com/team/app.git",
    "ssh://git@git.example.com/app",
]  # fmt: skip
REFUSED_REPOSITORIES = [
    "", "/", "/etc", "/srv", "/srv/git/../../etc", "/srv/gitx", "/srv/git/./x", "srv/git", "~/x", "/srv/git/a\nb",
    "/srv/git\0", "file:///etc", "file:///srv/git/app", "ext::sh -c id", "ext::/srv/git", "fd::7", "--upload-pack=id",
    "-u", "https://git.example.com/teamx/a", "https://git.example.com/other/app",
    "https://git.example.com/team/../other", "https://git.example.com/team/%2e%2e/other", "https://evil.example.com/team/",
    "https://git.example.com@evil.example.com/team/a", "https://git.example.com:8080/team/a",
    "https://user:pass@git.example.com/team/a", "http://git.example.com/team/a", "https://git.example.com/team/a?x=1",
    "https://git.example.com/team/a#b", "https://-oProxyCommand=id/team/a", "ssh://-oProxyCommand=id/app",
    "ssh://git@-oProxyCommand=id/app", "ssh://-x@git.example.com/app", "git@git.example.com:app",
    "ssh://git@git.example.com.evil.com/app", "HTTPS://git.example.com/team/a", "https:/git.example.com/team/a",
    "https://git.example.com/team/a b", "https://git.example.com/team/a\\b", "/srv/git/" + "x" * 500,
]  # fmt: skip

GLOBS = {
    "dist/*.apk": (["dist/a.apk", "dist/.apk"], ["a.apk", "dist/x/a.apk", "dist", "dist/a.apk.x"]),
    "**/report.xml": (["report.xml", "a/report.xml", "a/b/c/report.xml"], ["report.xmlx", "a/report.xml/b"]),
    "a/**/b/*.txt": (["a/b/x.txt", "a/q/b/x.txt", "a/b/b/b/x.txt"], ["b/x.txt", "a/x.txt"]),
    "logs/**": (["logs/a", "logs/a/b"], ["log/a", "a/logs/b"]),
    "[ab]?.[!x]": (["a1.y", "b2.z"], ["c1.y", "a1.x", "a.y"]),
    "./x//y": (["x/y"], ["y"]),
}
REFUSED_GLOBS = [
    "", "/etc/passwd", "../x", "a/../../b", "a/..", "..", "/", ".", "a\\b", "a\nb", "a\0b", "x" * 201, "*" * 9,
    "~/\x1b",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_NAMES)
def test_names_that_decide_what_runs_are_refused(name: str) -> None:
    assert refused_name(name)


@pytest.mark.parametrize("name", ["LEVEL", "build_type", "_X", "A1", "APP_PATH", "MY_GIT_REF", "A" * 64])
def test_other_names_are_taken(name: str) -> None:
    assert refused_name(name) is None


def test_values_have_bounds() -> None:
    assert refused_value("A", "x\ny; $(id)") is None
    assert refused_value("A", "a\0b") and refused_value("A", "ä" * 20_000)


@pytest.mark.parametrize("name", REFUSED_BRANCHES)
def test_what_is_no_branch_is_refused(name: str) -> None:
    assert refused_branch(name)


@pytest.mark.parametrize("name", BRANCHES)
def test_branches_are_taken(name: str) -> None:
    assert refused_branch(name) is None


@given(st.text())
def test_no_branch_is_an_option_or_a_way_out(name: str) -> None:
    if refused_branch(name) is None:
        assert not name.startswith("-") and ".." not in name and name.isascii() and " " not in name and ":" not in name


@pytest.mark.parametrize("commit", ["", "main", "a" * 39, "A" * 40, "a" * 41, "-" + "a" * 39, "a" * 40 + "\n"])
def test_what_is_no_commit_is_refused(commit: str) -> None:
    assert refused_commit(commit)
    assert refused_commit("0" * 40) is None and refused_commit("f" * 64) is None


@pytest.mark.parametrize("repository", REFUSED_REPOSITORIES)
def test_repositories_elsewhere_are_refused(repository: str) -> None:
    assert refused_repository(repository, PLACES)


@pytest.mark.parametrize("repository", [
    "https://user:pass@git.example.com/a", "https://user@git.example.com/a", "https://-oProxyCommand=id/a",
    "ssh://-oProxyCommand=id/a", "ssh://git@-oProxyCommand=id/a", "ssh://-x@git.example.com/a", "https:///a",
])  # fmt: skip
def test_hosts_that_are_options_or_have_passwords_are_refused_anywhere(repository: str) -> None:
    assert refused_repository(repository, ["https://", "ssh://"])
    assert refused_repository("https://git.example.com/a", ["https://", "ssh://"]) is None


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_repositories_in_their_places_are_taken(repository: str) -> None:
    assert refused_repository(repository, PLACES) is None
    assert refused_repository(repository, [])


@pytest.mark.parametrize("pattern", GLOBS)
def test_patterns_match_what_they_say(pattern: str) -> None:
    glob = Glob(pattern)
    matched, others = GLOBS[pattern]
    for path in (*matched, *others):
        names = tuple(path.split("/"))
        assert glob.matches(names) == (path in matched), path
        if path in matched:
            assert all(glob.leads_to(names[:depth]) for depth in range(len(names)))


@pytest.mark.parametrize("pattern", REFUSED_GLOBS)
def test_patterns_that_lead_elsewhere_are_refused(pattern: str) -> None:
    with pytest.raises(BadGlob):
        Glob(pattern)


def test_gits_own_folder_is_looked_into_only_by_name() -> None:
    assert not Glob("**/*").leads_to((".git",)) and Glob("**/*").leads_to(("a", ".git"))
    assert Glob(".git/HEAD").leads_to((".git",))
