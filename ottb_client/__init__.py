"""A typed client of OTTB: `docs/clients.md`."""

from ottb_client.answers import Download, Listing, Page, Table
from ottb_client.client import Client, Live
from ottb_client.errors import ApiError, SnapshotNeeded
from ottb_client.subscription import Heard, Shown, ShownSubscription, Subscription

__all__ = [
    "ApiError", "Client", "Download", "Heard", "Listing", "Live", "Page", "Shown", "ShownSubscription",
    "SnapshotNeeded", "Subscription", "Table",
]  # fmt: skip
