"""All routes, joined from the kinds. Written by `make client` from the contract."""

from ottb_client.routes.alert import AlertRoutes
from ottb_client.routes.audit import AuditRoutes
from ottb_client.routes.call import CallRoutes
from ottb_client.routes.campaign import CampaignRoutes
from ottb_client.routes.dashboard import DashboardRoutes
from ottb_client.routes.do_not_call import DoNotCallRoutes
from ottb_client.routes.erasure import ErasureRoutes
from ottb_client.routes.imports import ImportsRoutes
from ottb_client.routes.log import LogRoutes
from ottb_client.routes.monitor import MonitorRoutes
from ottb_client.routes.note import NoteRoutes
from ottb_client.routes.operator import OperatorRoutes
from ottb_client.routes.pipeline import PipelineRoutes
from ottb_client.routes.script import ScriptRoutes
from ottb_client.routes.slot import SlotRoutes
from ottb_client.routes.slot_files import SlotFilesRoutes
from ottb_client.routes.slot_screen import SlotScreenRoutes
from ottb_client.routes.trunk import TrunkRoutes
from ottb_client.routes.usb import UsbRoutes
from ottb_client.routes.user import UserRoutes
from ottb_client.routes.webhook import WebhookRoutes


class Routes(
    AlertRoutes,
    AuditRoutes,
    CallRoutes,
    CampaignRoutes,
    DashboardRoutes,
    DoNotCallRoutes,
    ErasureRoutes,
    ImportsRoutes,
    LogRoutes,
    MonitorRoutes,
    NoteRoutes,
    OperatorRoutes,
    PipelineRoutes,
    ScriptRoutes,
    SlotRoutes,
    SlotFilesRoutes,
    SlotScreenRoutes,
    TrunkRoutes,
    UsbRoutes,
    UserRoutes,
    WebhookRoutes,
):
    """A method for each route."""
