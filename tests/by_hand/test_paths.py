import pytest

from actors.by_hand import paths

WRONG = ["", "/", "x", "x/y", "//x", "/x/", "/x//y", "/.", "/..", "/x/../y", "/x/./y", "/x/..", "/x\0y", "/x\ny",
         "/x\x7fy", "/" + "x" * 256, "/x" * 600, "/\ud800"]  # fmt: skip


@pytest.mark.parametrize("path", WRONG)
def test_what_is_no_path_of_a_file(path: str) -> None:
    assert paths.wrong(path) is not None


@pytest.mark.parametrize("path", ["/x", "/sdcard/..x", "/sdcard/...", "/sdcard/a b'\"$(id)`;&|", "/sdcard/ф", "/-rf"])
def test_what_is_one(path: str) -> None:
    assert paths.wrong(path) is None


@pytest.mark.parametrize(
    ("path", "inside"),
    [("/sdcard/x", True), ("/sdcard/a/b", True), ("/sdcard", False), ("/sdcardx/y", False), ("/x/sdcard/y", False)],
)
def test_what_is_in_a_folder(path: str, inside: bool) -> None:
    assert paths.within(path, ["/sdcard", "/data/local/tmp"]) is inside
