"""What a virtual PBX does with each AMI action of somebody who has logged in."""

import time
from collections.abc import Callable, Mapping

from simulators.pbx.calls import Calls
from simulators.pbx.channel import UNKNOWN, Event, channel_fields
from simulators.pbx.session import Session

# What a Status says of a channel beside the fields of every event.
MEDIA: Event = {
    "Type": "PJSIP", "DNID": "", "EffectiveConnectedLineNum": UNKNOWN, "EffectiveConnectedLineName": UNKNOWN,
    "TimeToHangup": "0", "BridgeID": "", "Application": "Milliwatt", "Data": "", "Nativeformats": "(ulaw)",
    "Readformat": "ulaw", "Readtrans": "", "Writeformat": "slin", "Writetrans": "(slin@8000)->(ulaw@8000)",
    "Callgroup": "0", "Pickupgroup": "0",
}  # fmt: skip

VERSION = "22.0.0-virtual"  # what it says of itself
CLIENT_URI = "sip:account@pbx"  # as whom the PBX registers, with every provider

Values = Mapping[str, str]
Action = Callable[[Calls, Session, Values, Event], None]  # the last: the action's id, for every answer to it


def ping(calls: Calls, session: Session, values: Values, id: Event) -> None:
    session.send({"Response": "Success", **id, "Ping": "Pong", "Timestamp": f"{time.time():.6f}"})


def core_settings(calls: Calls, session: Session, values: Values, id: Event) -> None:
    session.send({
        "Response": "Success", **id, "AMIversion": "11.0.0", "AsteriskVersion": VERSION, "SystemName": "",
        "CoreMaxCalls": "0", "CoreMaxLoadAvg": "0.000000", "CoreRunUser": "", "CoreRunGroup": "",
    })  # fmt: skip


def originate(calls: Calls, session: Session, values: Values, id: Event) -> None:
    if not values.get("channel", "").partition("/")[2]:
        session.send({"Response": "Error", **id, "Message": "Channel not specified"})
        return
    if not calls.has_extension(values):
        session.send({"Response": "Error", **id, "Message": "Extension does not exist."})
        return
    session.send({"Response": "Success", **id, "Message": "Originate successfully queued"})
    calls.place(values, id)


def hang_up(calls: Calls, session: Session, values: Values, id: Event) -> None:
    channel = calls.find(values.get("channel", ""))
    if channel is None:
        _no_such_channel(session, id)
        return
    session.send({"Response": "Success", **id, "Message": "Channel Hungup"})
    calls.hang_up(channel, values.get("cause", ""))


def redirect(calls: Calls, session: Session, values: Values, id: Event) -> None:
    channel = calls.find(values.get("channel", ""))
    if channel is None:
        session.send({"Response": "Error", **id, "Message": f"Channel does not exist: {values.get('channel', '')}"})
        return
    session.send({"Response": "Success", **id, "Message": "Redirect successful"})
    calls.redirect(channel, values.get("context", ""), values.get("exten", ""))


def status(calls: Calls, session: Session, values: Values, id: Event) -> None:
    """Of one channel, or of all."""
    channels = list(calls.channels.values())
    if "channel" in values:
        channel = calls.find(values["channel"])
        if channel is None:
            _no_such_channel(session, id)
            return
        channels = [channel]
    session.send({"Response": "Success", **id, "EventList": "start", "Message": "Channel status will follow"})
    for channel in channels:
        seconds = str(int(time.monotonic() - channel.created))
        known = {**channel_fields(channel), **MEDIA, "Seconds": seconds}
        session.send({"Event": "Status", "Privilege": "Call", **id, **known})
    count = str(len(channels))
    session.send({"Event": "StatusComplete", **id, "EventList": "Complete", "ListItems": count, "Items": count})


def core_show_channels(calls: Calls, session: Session, values: Values, id: Event) -> None:
    session.send({"Response": "Success", **id, "EventList": "start", "Message": "Channels will follow"})
    for channel in calls.channels.values():
        spent = int(time.monotonic() - channel.created)
        duration = f"{spent // 3600:02}:{spent // 60 % 60:02}:{spent % 60:02}"
        application = {"Application": "Milliwatt", "ApplicationData": ""}
        session.send({
            "Event": "CoreShowChannel", **id, **channel_fields(channel), **application, "Duration": duration,
            "BridgeId": "",
        })  # fmt: skip
    count = str(len(calls.channels))
    session.send({"Event": "CoreShowChannelsComplete", **id, "EventList": "Complete", "ListItems": count})


def getvar(calls: Calls, session: Session, values: Values, id: Event) -> None:
    name = values.get("variable", "")
    if "channel" not in values:
        value = _trunk_variable(calls, name)
    elif (channel := calls.find(values["channel"])) is None:
        _no_such_channel(session, id)
        return
    else:
        answered = channel.answered_at if name == "CDR(answer,u)" else None
        value = f"{answered:.6f}" if answered is not None else ""
    session.send({"Response": "Success", **id, "Variable": name, "Value": value})


def _trunk_variable(calls: Calls, name: str) -> str:
    """`PJSIP_ENDPOINT(<endpoint>,aors)`, `PJSIP_AOR(<aor>,contact)` or `max_contacts`, and
    `PJSIP_CONTACT(<one that this says>,status)` or `rtt`. Nothing for what is not there, and for other functions."""
    function, _, inside = name.removesuffix(")").partition("(")
    subject, _, what = inside.partition(",")
    if function == "PJSIP_ENDPOINT" and subject in calls.trunks and what == "aors":
        return ",".join(calls.trunks[subject].aors or (subject,))
    aor, _, number = subject.partition("@@")
    trunk = next((one for endpoint, one in calls.trunks.items() if aor in (one.aors or (endpoint,))), None)
    if trunk is None:
        return ""
    if function == "PJSIP_AOR":
        contacts = ",".join(f"{aor}@@{number}" for number in range(len(trunk.contacts)))
        return {"contact": contacts, "max_contacts": "0"}.get(what, "")
    if function == "PJSIP_CONTACT" and number.isdigit() and int(number) < len(trunk.contacts):
        status = trunk.contacts[int(number)]
        return {"status": status, "rtt": trunk.rtt(status)}.get(what, "")
    return ""


def registrations(calls: Calls, session: Session, values: Values, id: Event) -> None:
    known = {name: trunk.registration for name, trunk in calls.trunks.items() if trunk.registration}
    following = "Following are Events for each Outbound registration"
    session.send({"Response": "Success", **id, "EventList": "start", "Message": following})
    for name, registered in known.items():
        detail = {"ObjectName": name, "ClientUri": CLIENT_URI, "ServerUri": f"sip:{name}.provider"}
        session.send({"Event": "OutboundRegistrationDetail", **id, **detail, "Status": registered})
        session.send({"Event": "AuthDetail", **id, "ObjectName": name, "Password": "never to be kept"})
    up = sum(status == "Registered" for status in known.values())
    done = {"Event": "OutboundRegistrationDetailComplete", **id, "EventList": "Complete", "ListItems": str(len(known))}
    session.send(done | {"Registered": str(up), "NotRegistered": str(len(known) - up)})


def _no_such_channel(session: Session, id: Event) -> None:
    session.send({"Response": "Error", **id, "Message": "No such channel"})


ACTIONS: Mapping[str, Action] = {
    "ping": ping,
    "coresettings": core_settings,
    "originate": originate,
    "hangup": hang_up,
    "redirect": redirect,
    "status": status,
    "coreshowchannels": core_show_channels,
    "getvar": getvar,
    "pjsipshowregistrationsoutbound": registrations,
}
