"""The hubs of a sandbox, as documented: what the slots say of them, since its phones hang on no USB."""

from tests.support.site import Client, Site, until


async def test_hubs_are_shown_as_documented(site: Site, operator: Client, admin: Client) -> None:
    async def online() -> list[dict[str, object]]:
        return (await operator.get("/api/monitor/usb"))[1]

    shown = await until(online, lambda found: found[0]["online"] == 6, 20)
    assert shown == [{"hub": "HUB1", "online": 6, "total": 7}]
    assert (await operator.get("/api/monitor/usb?host=local"))[1] == shown
    assert (await operator.get("/api/monitor/usb?host=nobody"))[1]["code"] == "NOT_FOUND"
    status, hub = await admin.get("/api/monitor/usb/HUB1")
    assert status == 200 and (hub["plugged"], hub["host"], hub["paths"]) == (None, "local", ["1-1", "2-1"])
    assert [port["slot"] for port in hub["ports"]] == [11, 12, 13, 14, 44, 45, None]
    assert (await admin.get("/api/monitor/usb/HUB9"))[1]["code"] == "NOT_FOUND"


async def test_others_phones_are_shown_to_who_may_see_them(site: Site, operator: Client, admin: Client) -> None:
    _, hub = await operator.get("/api/monitor/usb/HUB1")
    assert [port["slot"] for port in hub["ports"]] == [11, 12, 13, 14, 44, None, None]
    assert hub["ports"][5]["serial"] is None and hub["ports"][5]["state"] == "online"


async def test_a_port_is_not_switched_without_the_right_and_where_nobody_tried(
    site: Site, operator: Client, admin: Client
) -> None:
    path = "/api/monitor/usb/HUB1/ports/1/power"
    assert (await operator.post(path, {}))[1]["code"] == "PERMISSION_DENIED"
    for wanted in ({}, {"dry": True}):
        assert (await admin.post(path, wanted))[1]["code"] == "CONFLICT"
    assert (await admin.post("/api/monitor/usb/HUB1/ports/20/power", {"dry": True}))[1]["code"] == "NOT_FOUND"
    assert (await admin.post(path, {"seconds": 3600}))[1]["code"] == "INVALID_PARAMS"
