import pytest

from actors.adapters import passwords


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at here is who gets in, not how dear it is to try: that is for `tests/attacks`."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 256)
    monkeypatch.setattr(passwords, "PASSES", 1)
