"""Segments of the archive in a bucket of S3-compatible storage (https://docs.aws.amazon.com/AmazonS3/latest/API/).

A segment is one object, put in one request: it is there whole or not at all, and what was not kept leaves nothing.
Where the bucket keeps versions, deleting takes all of them: an erasure may leave none.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, BinaryIO, cast

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from actors.archive.segment import is_name
from actors.archive.settings import Bucket
from actors.archive.store import Kept, NotKept, NotThere

CONNECT, READ, AGAIN = 5.0, 30.0, 2  # seconds, and how often a request that fails on the way is sent again
LEAST_PART, LARGEST = 5 * 2**20, 5 * 2**30  # bytes of what one request may put
PIECE = 2**20  # bytes that are read at once
GZIP = "application/gzip"
ABSENT = ("NoSuchKey", "NoSuchVersion")


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Turn what the client raises into what the port says."""
    try:
        yield
    except S3Error as error:
        kind = NotThere if error.code in ABSENT else NotKept
        raise kind(f"{what}: {error.code}: {error.message}") from None
    except (MinioException, HTTPError, OSError, ValueError) as error:
        raise NotKept(f"{what}: {type(error).__name__}: {error}") from None


class BucketDraft:
    """A file of this machine without a name, until it is put."""

    def __init__(self, bucket: "ArchiveBucket") -> None:
        self._bucket = bucket
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the draft is)
        self._size = 0

    def write(self, data: bytes) -> None:
        with _doing("a draft of the archive"):
            self._file.write(data)
            self._size += len(data)

    def keep(self, name: str) -> None:
        self._file.seek(0)
        self._bucket.put(name, self._file, self._size)

    def __enter__(self) -> "BucketDraft":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class ArchiveBucket:
    """A bucket, or what begins with a prefix in one."""

    def __init__(self, where: Bucket) -> None:
        self._said, self._prefix, self._name = where.url, where.prefix, where.name
        retries = Retry(total=AGAIN, backoff_factor=0.5, status_forcelist=(500, 502, 503, 504))
        self._client = Minio(
            where.endpoint, access_key=where.access_key, secret_key=where.secret_key, secure=where.secure,
            region=where.region,
            http_client=PoolManager(timeout=Timeout(connect=CONNECT, read=READ), retries=retries, maxsize=4),
        )  # fmt: skip

    def must_be_ours(self) -> None:
        """Who may delete here, the storage knows: whoever has keys for it."""

    def draft(self) -> BucketDraft:
        with _doing(f"a draft for {self._said}"):
            return BucketDraft(self)

    def put(self, name: str, file: IO[bytes], size: int) -> None:
        """Raises NotKept."""
        with _doing(f"{self._said}: {name}"):
            if size > LARGEST:
                raise ValueError(f"{size} bytes are more than one request may put")
            # As one part: of several, those that a killed process leaves would be found by nobody.
            self._client.put_object(
                self._name, self._prefix + name, cast(BinaryIO, file), size, GZIP, part_size=max(size, LEAST_PART)
            )

    def open(self, name: str) -> BinaryIO:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by who reads it)
        try:
            with _doing(f"{self._said}: {name}"):
                answer = self._client.get_object(self._name, self._prefix + name)
                try:
                    for piece in answer.stream(PIECE):
                        file.write(piece)
                finally:
                    answer.close()
                    answer.release_conn()
                file.seek(0)
        except NotKept:
            file.close()
            raise
        return cast(BinaryIO, file)

    def kept(self) -> list[Kept]:
        now = time.time()
        with _doing(self._said):
            found = list(self._client.list_objects(self._name, prefix=self._prefix))
        return [
            Kept(name, one.size or 0, now - one.last_modified.timestamp() if one.last_modified else 0.0)
            for one in found
            if is_name(name := (one.object_name or "").removeprefix(self._prefix))
        ]

    def delete(self, name: str) -> None:
        key = self._prefix + name
        with _doing(f"{self._said}: {name}"):
            for one in list(self._client.list_objects(self._name, prefix=key, include_version=True)):
                if one.object_name == key:
                    self._client.remove_object(self._name, key, version_id=one.version_id)
