"""Storage that takes objects, which nobody here wrote: moto's, a process of its own, which checks signatures."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from msgspec import Struct
from msgspec.structs import replace

from actors.archive.settings import Archive
from bench.parts import free_port

FIRST = 3  # requests that need no keys: those that make somebody who has some
ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


class Storage(Struct, frozen=True):
    """`client`: another's, to look at what is there."""

    settings: Archive
    client: Any

    def bucket(self, name: str, *, versions: bool = False) -> Archive:
        """Make one; the settings that have the archive in it."""
        self.client.create_bucket(Bucket=name)
        if versions:
            wanted = {"Status": "Enabled"}
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration=wanted)
        return replace(self.settings, bucket_url=f"{self.settings.bucket_url}/{name}/site")

    def versions(self, name: str) -> list[str]:
        """All that is there, also what was deleted."""
        found = self.client.list_object_versions(Bucket=name)
        return [one["Key"] for one in (*found.get("Versions", ()), *found.get("DeleteMarkers", ()))]


@contextmanager
def storage(folder: Path) -> Iterator[Storage]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (folder / "moto.log").open("wb") as log, subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=env | {"INITIAL_NO_AUTH_ACTION_COUNT": str(FIRST)}, stdout=log, stderr=log,
    ) as process:  # fmt: skip
        try:
            key, secret = _keys(url)
            settings = Archive(enabled=True, bucket_url=url, access_key=key, secret_key=secret)
            yield Storage(settings, _client("s3", url, key, secret))
        finally:
            process.terminate()


def _client(kind: str, url: str, key: str, secret: str) -> Any:
    config = Config(retries={"max_attempts": 1})
    return boto3.client(
        kind, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret,
        config=config,
    )  # fmt: skip


def _keys(url: str) -> tuple[str, str]:
    """Of somebody who may do all."""
    iam, until = _client("iam", url, "first", "first"), time.monotonic() + 30.0
    while True:
        try:
            iam.create_user(UserName="ottb")
            break
        except BotoCoreError:  # it does not listen yet
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    iam.put_user_policy(UserName="ottb", PolicyName="all", PolicyDocument=ALL)
    made = iam.create_access_key(UserName="ottb")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]
