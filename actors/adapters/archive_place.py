"""Where days of the journal are sealed: a folder, or a bucket."""

from actors.adapters.archive_folder import ArchiveFolder
from actors.archive.store import SegmentStore
from actors.settings import Settings


def place_of(settings: Settings) -> SegmentStore:
    """By the settings of the site."""
    if (bucket := settings.archive.bucket) is None:
        return ArchiveFolder(settings.archive_folder)
    from actors.adapters.archive_bucket import ArchiveBucket  # its client takes a while to be imported

    return ArchiveBucket(bucket)


def said_of(settings: Settings) -> str:
    """The same for people."""
    bucket = settings.archive.bucket
    return str(settings.archive_folder) if bucket is None else bucket.url
