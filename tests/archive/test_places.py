"""Where segments are kept, a folder or storage that takes objects: each does what the port says."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.adapters.archive_place import place_of, said_of
from actors.adapters.random_ids import RandomIds
from actors.archive import settings
from actors.archive.archive import Archive
from actors.archive.segment import Damaged
from actors.archive.store import NotKept, NotThere, SegmentStore
from actors.settings import Settings
from bench.parts import free_port
from tests.archive.days import Days
from tests.archive.objects import Storage, storage

NAME, OTHER = "2026-03-01-0123456789abcdef.jsonl.gz", "2026-03-02-fedcba9876543210.jsonl.gz"
DATA = bytes(range(256)) * 30_000  # more than is read at once


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with storage(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest.fixture(params=["a folder", "a bucket", "a bucket that keeps versions"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SegmentStore:
    archive = settings.Archive(enabled=True)
    if "bucket" in request.param:
        objects: Storage = request.getfixturevalue("objects")
        archive = objects.bucket(f"b{abs(hash(str(tmp_path)))}", versions="versions" in request.param)
    return place_of(Settings(state_dir=str(tmp_path), archive=archive))


def keep(store: SegmentStore, name: str, *pieces: bytes) -> None:
    with store.draft() as draft:
        for piece in pieces:
            draft.write(piece)
        draft.keep(name)


def test_what_is_kept_is_there_whole(store: SegmentStore) -> None:
    store.must_be_ours()
    assert store.kept() == []
    keep(store, OTHER, b"")
    keep(store, NAME, DATA, b"end")
    with store.open(NAME) as file:
        assert file.read(10) == DATA[:10] and file.read() == DATA[10:] + b"end"
    assert [(one.name, one.size, one.draft) for one in store.kept()] == [
        (NAME, len(DATA) + 3, False), (OTHER, 0, False)
    ]  # fmt: skip
    assert all(-60.0 < one.age < 60.0 for one in store.kept())


def test_a_draft_that_is_not_kept_leaves_nothing(store: SegmentStore) -> None:
    with pytest.raises(ZeroDivisionError), store.draft() as draft:
        draft.write(DATA)
        raise ZeroDivisionError
    assert store.kept() == []


def test_what_is_deleted_is_gone(store: SegmentStore) -> None:
    keep(store, NAME, b"1")
    keep(store, NAME, b"2")
    with store.open(NAME) as file:
        assert file.read() == b"2"
    keep(store, OTHER, b"3")
    store.delete(NAME)
    store.delete(NAME)
    assert [one.name for one in store.kept()] == [OTHER]
    with pytest.raises(NotThere):
        store.open(NAME)


async def test_days_are_sealed_there_and_read_and_written_anew(store: SegmentStore, tmp_path: Path) -> None:
    days = Days(tmp_path)
    archive = Archive(bus=days.bus, clock=days.clock, ids=RandomIds(), store=store, threads=False)
    for _ in range(3):
        await days.passes()
    while await archive.seal("a"):
        pass
    [first, *_] = (await archive.book()).days
    await archive.check(first)
    with store.open(first.name) as file:
        assert b'"n": 1' in gzip.decompress(file.read())
    changed = await archive.rewrite("e1", lambda entry: (b'{"thing":1}', entry.headers) if entry.seq == 1 else None)
    assert changed == 1 and first.name not in [one.name for one in store.kept()]
    for day in (await archive.book()).days:
        await archive.check(day)


async def test_days_move_from_a_folder_to_a_bucket(objects: Storage, tmp_path: Path) -> None:
    """Each that the journal names, and of no other name: what a day said before somebody was erased stays behind."""
    days = Days(tmp_path)
    for _ in range(3):
        await days.passes()
    folder, bucket = days.archive(), place_of(Settings(archive=objects.bucket("moved")))
    while await folder.seal("a"):
        pass
    moved = Archive(bus=days.bus, clock=days.clock, ids=RandomIds(), store=bucket, threads=False)
    [first, *others] = (await moved.book()).days
    days.spoil(first.name, lambda data: data[:-9] + b"something")
    with pytest.raises(Damaged):
        await moved.take_back(first, folder.store)
    assert bucket.kept() == []
    for one in others:
        await moved.take_back(one, folder.store)
        await moved.check(one)
    assert [one.name for one in bucket.kept()] == [one.name for one in others]


def test_no_version_stays_of_what_was_deleted(objects: Storage, tmp_path: Path) -> None:
    """It may say something of somebody who was erased."""
    store = place_of(Settings(state_dir=str(tmp_path), archive=objects.bucket("versioned", versions=True)))
    keep(store, NAME, b"1")
    keep(store, NAME, b"2")
    keep(store, OTHER, b"3")
    assert objects.versions("versioned") == [f"site/{NAME}", f"site/{NAME}", f"site/{OTHER}"]
    store.delete(NAME)
    assert objects.versions("versioned") == [f"site/{OTHER}"]


def test_what_else_is_in_a_bucket_is_nobodys_to_delete_here(objects: Storage, tmp_path: Path) -> None:
    store = place_of(Settings(state_dir=str(tmp_path), archive=objects.bucket("shared")))
    keep(store, NAME, b"1")
    for name in ("site/readme.txt", f"other/{OTHER}", f"site/inner/{OTHER}", f"site/{NAME}.old"):
        objects.client.put_object(Bucket="shared", Key=name, Body=b"x")
    assert [one.name for one in store.kept()] == [NAME]
    store.delete(NAME)
    assert len(objects.versions("shared")) == 4


WRONG: dict[str, Callable[[settings.Archive], settings.Archive]] = {
    "another secret": lambda known: replace(known, secret_key="x" * 40),
    "no such bucket": lambda known: replace(known, bucket_url=f"{known.bucket_url.rpartition('/')[0]}x"),
    "nobody listens": lambda known: replace(known, bucket_url=f"http://127.0.0.1:{free_port()}/wrong"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_storage_that_refuses_or_is_away_keeps_nothing(
    objects: Storage, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = WRONG[wrong](objects.bucket(f"wrong{abs(hash(wrong))}"))
    store = place_of(Settings(state_dir=str(tmp_path), archive=archive))
    for work in (store.kept, lambda: store.open(NAME), lambda: store.delete(NAME), lambda: keep(store, NAME, b"1")):
        with pytest.raises(NotKept) as said:
            work()
        assert archive.secret_key not in str(said.value) and not isinstance(said.value, NotThere)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bucket_url": "http://storage.example/b"}, "clear"),
        ({"bucket_url": "https://storage.example"}, "https://host:port/bucket"),
        ({"bucket_url": "s3://b/p"}, "https://host:port/bucket"),
        ({"bucket_url": "https://k:s@storage.example/b"}, "https://host:port/bucket"),
        ({"folder": "/srv/archive"}, "folder"),
        ({"secret_key": ""}, "SECRET_KEY"),
    ],
)
def test_a_bucket_that_cannot_be_is_said_before_it_is_used(changes: dict[str, str], said: str) -> None:
    right = settings.Archive(
        enabled=True, bucket_url="https://storage.example:9000/b/p", access_key="k", secret_key="s"
    )
    assert [*right.mistakes()] == []
    [mistake] = replace(right, **changes).mistakes()
    assert said in mistake


def test_where_it_is_said_to_be() -> None:
    assert said_of(Settings(state_dir="/x")) == "/x/archive"
    assert said_of(Settings(archive=settings.Archive(bucket_url="https://a/b"))) == "https://a/b"
