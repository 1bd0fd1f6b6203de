"""The table of docs/bus.md says what identities are granted."""

import re

from bus_schemas.catalogue import KINDS, TOPICS
from tests.support.feeds import PAGE, page


def test_the_table_of_feeds_is_that_of_the_kinds() -> None:
    text = PAGE.read_text()
    assert text == page(text), "a kind, a role or a grant has changed: make feeds"


def test_every_feed_that_somebody_can_hear_is_in_it() -> None:
    named = set(re.findall(r"`ottb\.v1\.(?:(?:own\.<user>|shared|all)\.)?(evt|tel)\.(\w+)\.>`", PAGE.read_text()))
    kinds = {kind.name for kind in KINDS} | {"audit"}
    families = {(topic.subject.split(".")[2], topic.kind) for topic in TOPICS}
    assert named == {(family, kind) for family, kind in families if kind in kinds}
