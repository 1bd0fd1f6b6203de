"""The settings of the archive."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

LEAST_DAYS = 2  # far longer than anybody waits or is paused who has asked the journal before


class Bucket(Struct, frozen=True):
    """Where segments are in storage that takes objects. `prefix`: of their names, with a `/` at its end, or empty."""

    url: str
    endpoint: str
    secure: bool
    name: str
    prefix: str
    region: str
    access_key: str
    secret_key: str


class Archive(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`enabled`: each day of the journal is sealed in a file when it is over. `folder`: where, the same one for all
    hosts of a site; empty: `archive` in the state folder. It is as secret as the journal. `journal_days`: what is over
    leaves the journal after so many days, once it is sealed and every host has read its file; 0: nothing ever does.
    `bucket_url`: in place of the folder a bucket of S3-compatible storage, `https://host:port/bucket/prefix`.
    `secret_key`: by the environment (`OTTB_ARCHIVE__SECRET_KEY`, or `...__SECRET_KEY__FILE`)."""

    enabled: bool = False
    folder: str = ""
    bucket_url: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    journal_days: Annotated[int, Meta(ge=0)] = 0

    @property
    def bucket(self) -> Bucket | None:
        """None: it is a folder."""
        if not self.bucket_url:
            return None
        url = urlsplit(self.bucket_url)
        name, _, prefix = url.path.strip("/").partition("/")
        return Bucket(
            url=self.bucket_url, endpoint=url.netloc, secure=url.scheme == "https", name=name,
            prefix=f"{prefix}/" if prefix else "", region=self.region, access_key=self.access_key,
            secret_key=self.secret_key,
        )  # fmt: skip

    def mistakes(self) -> Iterator[str]:
        """What is wrong with values that have the right form."""
        if self.bucket_url:
            yield from self._mistakes_of_bucket()
        if self.journal_days and not self.enabled:
            yield "archive.journal_days: nothing can leave the journal unless `archive.enabled` is set"
        if 0 < self.journal_days < LEAST_DAYS:
            yield f"archive.journal_days: 0, or at least {LEAST_DAYS}"

    def _mistakes_of_bucket(self) -> Iterator[str]:
        url = urlsplit(self.bucket_url)
        if self.folder:
            yield "archive.bucket_url: there is a `folder` too, and it is one or the other"
        if url.scheme not in ("http", "https") or not url.hostname or not url.path.strip("/") or "@" in url.netloc:
            yield "archive.bucket_url: `https://host:port/bucket`, or with a prefix `https://host:port/bucket/prefix`"
        elif url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost"):
            yield "archive.bucket_url: hashes of passwords are not sent in the clear: `https`"
        if not self.access_key or not self.secret_key:
            yield "archive.bucket_url: there is no `access_key`, or no secret (OTTB_ARCHIVE__SECRET_KEY)"
