"""The dashboard: what goes on now, and what calls came to, by the time at which they began."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bus_schemas.call import EndReason
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import GivenTime, Sought, Utc
from bus_schemas.permissions import Action

E = ErrorCode
A = Action

ANSWERED = "answered"
# Of these the platform, the phone, the trunk or the network is the cause, and not whoever was called or has called.
FAILURES = frozenset({
    EndReason.NETWORK, EndReason.PHONE_LOST, EndReason.PHONE_ASKS_FOR_SIM, EndReason.TRUNK_LOST,
    EndReason.TRUNK_REFUSED, EndReason.EXTENSION_FAILED, EndReason.NOT_DIALED, EndReason.UNKNOWN,
})  # fmt: skip
DAYS = {"quarter": 7, "hour": 92, "day": 400}  # that a series may have, by its step

Step = Literal["quarter", "hour", "day"]
By = Literal["operator", "campaign", "trunk", "slot"]


# --- what may be asked --------------------------------------------------------------------------------------------


class GetDashboard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes on now and was today."""


class GetSeries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What calls came to over time. `since` and `until`: today if they are not given; wider by what is missing of a
    quarter of an hour. `step`: a quarter of an hour (at most 7 days), an hour (92) or a day (400) on the site's clock.
    `by` and `value`: of one operator, campaign, trunk or slot alone."""

    since: GivenTime | None = None
    until: GivenTime | None = None
    step: Step = "hour"
    by: By | None = None
    value: Sought | None = None


class GetBreakdown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What calls came to by operator, campaign, trunk or slot, those with most calls first. `since` and `until`: as of
    a series, at most 31 days."""

    by: By
    since: GivenTime | None = None
    until: GivenTime | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


# --- answers ------------------------------------------------------------------------------------------------------


class Dashboard(Struct, frozen=True, kw_only=True):
    """What goes on now and was today, of what the asker sees. `active_slots`: that are in a call or could take one.
    `today_calls`: that began today on the site's clock, also those that go on. `failed_calls`: those of them that the
    platform, a phone, a trunk or the network has failed."""

    active_calls: int
    active_slots: int
    today_calls: int
    failed_calls: int
    timestamp: Utc


class CallCounts(Struct, frozen=True, kw_only=True):
    """What calls that are over came to. `outcomes`: how many were `answered`, and of the others, how many ended for
    which reason; what is none is not named. `failed`: as of the dashboard, also answered ones that broke off.
    `answer_rate`: of those that were dialled; null: there are none. `mean_talk`: seconds of an answered one."""

    calls: int
    answered: int
    failed: int
    talk_seconds: int
    ring_seconds: int
    outcomes: Mapping[str, int]
    answer_rate: float | None
    mean_talk: float | None


class Bucket(CallCounts, frozen=True, kw_only=True):
    """The calls that began between `at` and the next bucket."""

    at: Utc


class Series(CallCounts, frozen=True, kw_only=True):
    """The calls that began from `since` until before `until`, together and in `buckets`, of which there is one for each
    step, also where nothing was. `busiest`: the bucket with most calls. `timezone`: the site's."""

    since: Utc
    until: Utc
    timezone: str
    step: Step
    busiest: Utc | None
    buckets: list[Bucket]


class Share(CallCounts, frozen=True, kw_only=True):
    """The calls of one operator, campaign, trunk or slot."""

    value: str


SEES = frozenset({A.CALL_VIEW_ANY, A.SLOT_VIEW_ANY})

# fmt: off
GET_DASHBOARD = Rpc("ottb.v1.qry.dashboard.get",       GetDashboard, Dashboard,   frozenset(),
                    summary="What goes on now and was today", permission=A.DASHBOARD_VIEW, asks=SEES)
GET_SERIES    = Rpc("ottb.v1.qry.dashboard.series",    GetSeries,    Series,      frozenset({E.PERMISSION_DENIED}),
                    summary="What calls came to over time", permission=A.DASHBOARD_VIEW, asks=SEES)
GET_BREAKDOWN = Rpc("ottb.v1.qry.dashboard.breakdown", GetBreakdown, list[Share], frozenset({E.PERMISSION_DENIED}),
                    summary="What calls came to by whose they are", permission=A.DASHBOARD_VIEW, asks=SEES)
# fmt: on
