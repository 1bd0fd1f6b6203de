from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bench.postgres import NotInstalled, postgres_server
from tests.ledger.places import Files, Place, Schemas


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty database on a server of the tests' own."""
    try:
        with postgres_server() as url:
            yield url
    except NotInstalled as error:
        pytest.fail(str(error))


@pytest.fixture
def schemas(postgres_url: str) -> Schemas:
    return Schemas(postgres_url, f"ottb_{uuid4().hex[:8]}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Files(tmp_path)
    found: Schemas = request.getfixturevalue("schemas")
    return found
