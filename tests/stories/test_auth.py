"""Sections 1, 12 and 13 of the interface, over HTTP against the running system."""

import asyncio
import base64
import hmac
import json
import time

import aiohttp
import jwt
import pytest

from actors.point.keys import KeyRing
from actors.point.tokens import public_key, signing_key
from tests.support.site import PATIENCE, Client, Site, until

PARTS = {"point": "/api/point/rolecheck?action=call.start", "ottb": "/api/slots", "workspace": "/api/slots"}


async def test_login_answers_as_documented(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await Client(site, session).login("op12", "1234")
    assert {"token", "role", "expires", "permissions", "refresh_token"} <= set(answer)
    assert (answer["role"], answer["expires"]) == ("operator", 3600)
    assert answer["permissions"]["WORKSPACE"] == ["view", "call", "script", "note", "lead"]


async def test_wrong_and_unknown_are_answered_alike(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        answers = [
            await client.post("/api/auth/login", {"username": user, "password": "wrong"}, part="point")
            for user in ("op12", "nobody")
        ]
    assert [status for status, _ in answers] == [401, 401]
    first, second = ({k: v for k, v in body.items() if k != "request_id"} for _, body in answers)
    assert first == second and first["code"] == "AUTH_FAIL"


async def test_one_token_opens_all_ports_and_none_opens_none(operator: Client) -> None:
    for part, path in PARTS.items():
        assert (await operator.get(path, part=part))[0] == 200
    operator.token = None
    for part, path in PARTS.items():
        status, refused = await operator.get(path, part=part)
        assert (status, refused["error"], refused["code"]) == (401, True, "AUTH_FAIL")
        assert operator.last_headers["WWW-Authenticate"].startswith("Bearer")


async def test_rolecheck_tells_what_the_caller_may_do(operator: Client) -> None:
    status, answer = await operator.get("/api/point/rolecheck?action=call.start", part="point")
    assert status == 200 and answer["allowed"] is True
    assert {"call.start", "slot.view", "pipeline.run"} <= set(answer["permissions"])
    _, answer = await operator.get("/api/point/rolecheck?action=slot.shell", part="point")
    assert answer["allowed"] is False
    status, refused = await operator.get("/api/point/rolecheck?action=fly", part="point")
    assert (status, refused["code"]) == (400, "INVALID_PARAMS")
    assert (await operator.get("/api/point/rolecheck", part="point"))[0] == 400


async def test_a_token_is_refreshed_and_logging_out_is_felt_everywhere_at_once(operator: Client) -> None:
    status, answer = await operator.post("/api/auth/refresh", part="point")
    assert status == 200 and answer["expires"] == 3600 and answer["token"] != operator.token
    old, operator.token = operator.token, answer["token"]
    assert (await operator.get("/api/slots"))[0] == 200
    assert (await operator.post("/api/auth/logout", part="point"))[0] == 200
    began = time.monotonic()

    async def statuses() -> list[int]:
        found = []
        for token in (old, answer["token"]):
            operator.token = token
            found += [(await operator.get(path, part=part))[0] for part, path in PARTS.items()]
        return found

    await until(statuses, lambda found: set(found) == {401}, 1.0)
    print(f"\nlogout felt on every port after {1000 * (time.monotonic() - began):.0f} ms")


async def test_an_operator_may_not_do_what_the_role_does_not_hold(operator: Client) -> None:
    for method, path, body in (
        ("POST", "/api/slots/12/adb-command", {"command": "id"}),
        ("POST", "/api/slots/12/reboot-device", None),
        ("POST", "/api/slots/12/restart", None),
        ("POST", "/api/slots", {"slot": 90, "serial": "x"}),
        ("DELETE", "/api/slots/12", None),
    ):
        status, refused = await operator.call(method, path, body)
        assert (status, refused["code"]) == (403, "PERMISSION_DENIED"), path


async def test_one_operator_does_not_end_anothers_call(operator: Client, admin: Client) -> None:
    _, started = await admin.post("/api/call/start", {"number": "+380991234567", "slot": 12})
    status, refused = await operator.post("/api/call/end", {"call_id": started["call_id"]})
    assert (status, refused["code"]) == (404, "NOT_FOUND")  # what is not one's own does not exist
    assert (await admin.post("/api/call/end", {"call_id": started["call_id"]}))[0] == 200
    await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)


PUBLIC_HEAD = bytes.fromhex("302a300506032b6570032100")  # of an Ed25519 key in DER


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _plain(header: dict, payload: dict) -> str:
    parts = (_text(json.dumps({k: v for k, v in p.items() if v is not None}).encode()) for p in (header, payload))
    return ".".join((*parts, ""))


def _signed(header: dict, payload: dict, key: bytes) -> str:
    body = _plain(header, payload)
    return body + _text(signing_key(key).sign(body[:-1].encode()).signature)


async def test_a_clock_that_is_ahead_is_forgiven_half_a_minute(site: Site, operator: Client) -> None:
    assert operator.token is not None
    header = jwt.get_unverified_header(operator.token)
    key = KeyRing(site.state)[header["kid"]]
    claims = jwt.decode(operator.token, options={"verify_signature": False})
    now = int(time.time())
    for change, status in (
        ({"iat": now + 1}, 200), ({"iat": now + 20}, 200), ({"iat": now + 60}, 401),
        ({"nbf": now + 20}, 200), ({"nbf": now + 60}, 401), ({"exp": now - 1}, 401),
    ):  # fmt: skip
        operator.token = _signed(header, claims | change, key)
        assert (await operator.get("/api/slots"))[0] == status, change


def forgeries(site: Site, good: str, refresh: str) -> dict[str, str]:
    """Tokens that must open nothing, by what is wrong with them."""
    keys = KeyRing(site.state)
    name, key = next(iter(keys.items()))
    claims = jwt.decode(good, options={"verify_signature": False})
    head = {"typ": "at+jwt", "kid": name, "alg": "EdDSA"}
    plain = _plain
    public = bytes(public_key(key))
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(PUBLIC_HEAD + public) + b"\n-----END PUBLIC KEY-----\n"

    def signed(change: dict | None = None, *, drop: str = "", key_: bytes = key, **header: object) -> str:
        return _signed(head | header, {k: v for k, v in (claims | (change or {})).items() if k != drop}, key_)

    def hashed(key_: bytes, **header: object) -> str:
        body = plain(head | {"alg": "HS256"} | header, claims)
        return body + _text(hmac.digest(key_, body[:-1].encode(), "sha256"))

    return {
        "algorithm none": plain({"alg": "none", "typ": "at+jwt", "kid": name}, claims),
        "no signature": good.rsplit(".", 1)[0] + ".",
        "another key": signed(key_=b"x" * 48),
        "unknown kid": signed(kid="../../etc/passwd"),
        "no kid": signed(kid=""),
        "refresh type": signed(typ="rt+jwt"),
        "plain type": signed(typ="JWT"),
        "expired": signed({"exp": int(time.time()) - 5}),
        "not yet": signed({"nbf": int(time.time()) + 500}),
        "issued in the future": signed({"iat": int(time.time()) + 500}),
        "the refresh token": refresh,
        "a service token of nobody": "ottb_st_t0_" + "0" * 40,
        "a service token, cut": "ottb_st_t0",
        "another key, RS256 named": plain({"alg": "RS256", "typ": "at+jwt", "kid": name}, claims) + "AAAA",
        "the public key as a secret": hashed(public),
        "the public key as a secret, in text": hashed(_text(public).encode()),
        "the public key as a secret, as PEM": hashed(pem),
        "the public key as a secret, for a refresh token": hashed(public, typ="rt+jwt"),
        "the secret for another algorithm": hashed(key),
        "the secret for another algorithm, EdDSA named": hashed(key, alg="EdDSA"),
        "a key of its own": signed(key_=b"x" * 48, jwk={"kty": "oct", "k": "eHh4"}),
        "a key from elsewhere": signed(key_=b"x" * 48, jku="http://127.0.0.1:1/keys"),
        "kid is a list": plain({"alg": "EdDSA", "typ": "at+jwt", "kid": [name]}, claims) + "AAAA",
        "kid is null": plain({"alg": "EdDSA", "typ": "at+jwt", "kid": None}, claims) + "AAAA",
        "signature of another payload": ".".join((*signed({"jti": "x"}).split(".")[:2], good.rsplit(".", 1)[1])),
        "signature cut": good[:-4],
        "signature twice": good + good.rsplit(".", 1)[1],
        "four parts": good + ".AAAA",
        "two parts": good.rsplit(".", 1)[0],
        "nothing but dots": "..",
        "expiry is text": signed({"exp": "soon"}),
        "expiry is a list": signed({"exp": []}),
        "subject is a number": signed({"sub": 12}),
        "no type": signed(typ=None),
        "other issuer": signed({"iss": "evil"}),
        "other audience": signed({"aud": "evil"}),
        "other user": signed({"sub": "admin"}),
        "unknown session": signed({"sid": "nosuchsession"}),
        "session is a number": signed({"sid": 7}),
        **{f"without {claim}": signed(drop=claim) for claim in ("exp", "iat", "sub", "jti", "sid", "iss", "aud")},
        "nested without end": ".".join((_text(b'{"typ":' + b"[" * 4000), *good.split(".")[1:])),
        "padded": good + "==",
        "unknown critical": signed(crit=["a\nb"]),
        "garbage": "a.b.c",
        "huge": "e" * 6000,
    }


@pytest.mark.parametrize("header", ["BearerX {}", "Basic {}", "{}", "Bearer", "Bearer  ", "Token {}"])
async def test_the_scheme_must_be_bearer(operator: Client, header: str) -> None:
    token, operator.token = operator.token, None
    status, _ = await operator.get("/api/slots", headers={"Authorization": header.format(token)})
    assert status == 401
    assert (await operator.get("/api/slots", headers={"Authorization": f"bearer {token}"}))[0] == 200


async def test_wrong_passwords_make_the_next_try_wait(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        codes = []
        for _ in range(8):
            _, body = await client.post("/api/auth/login", {"username": "guessed", "password": "x"}, part="point")
            codes.append(body["code"])
        assert "RATE_LIMITED" in codes and "Retry-After" in client.last_headers
        await client.login("op12", "1234")  # others are not kept out


async def test_bad_requests_are_answered_in_the_error_format(operator: Client) -> None:
    bodies = [
        b"{", b"[]", b'"x"', b"[" * 5000, b"\xff\xfe", b"", b'{"number": 1}', b"null",
        b'{"number": "+380991234567", "x": 1}',
        b'{"number": "+380991234567", "slot": "ANY"}', b'{"number": "+380991234567", "slot": -1}', b"{}",
        b'{"number": "' + b"9" * 5000 + b'"}',
    ]  # fmt: skip
    url = operator.site.url("ottb", "/api/call/start")
    headers = {"Authorization": f"Bearer {operator.token}", "Content-Type": "application/json"}
    for body in bodies:
        async with operator.session.post(url, data=body, headers=headers) as answer:
            refused = await answer.json()
            assert (answer.status, refused["code"]) == (400, "INVALID_PARAMS"), body[:40]
            assert refused["request_id"] == answer.headers["X-Request-ID"]
    async with operator.session.post(url, data=b"x" * 100_000, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "PAYLOAD_TOO_LARGE")
    async with operator.session.post(url, data=b"a=b", headers=headers | {"Content-Type": "text/plain"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    for path, status, code in (
        ("/api/nothing", 404, "NOT_FOUND"),
        ("/api/calls/feed?limit=0", 400, "INVALID_PARAMS"),
        ("/api/calls/feed?limit=1&limit=2", 400, "INVALID_PARAMS"),
        ("/api/calls/feed?other=1", 400, "INVALID_PARAMS"),
        ("/api/call/a.b", 400, "INVALID_PARAMS"),
        ("/api/call/%3E", 400, "INVALID_PARAMS"),
        ("/api/call/" + "a" * 5000, 400, "INVALID_PARAMS"),
    ):
        found, refused = await operator.get(path)
        assert (found, refused["code"]) == (status, code), path
    found, refused = await operator.call("PUT", "/api/slots")
    assert (found, refused["code"]) == (405, "METHOD_NOT_ALLOWED") and operator.last_headers["Allow"]


RAW = [b"GET / HTTP/9\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nA\x00: b\r\n\r\n",
       b"POST /api/call/start HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
       b"GET /api/slots HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n"]  # fmt: skip


@pytest.mark.parametrize("raw", RAW)
async def test_malformed_http_is_answered_in_the_error_format_too(site: Site, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.ports["ottb"])
    writer.write(raw)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read(4096)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head, answer
    assert json.loads(body)["error"] is True


async def test_health_figures_and_documents_are_on_every_port(site: Site, admin: Client) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        for part in ("point", "dci", "ottb", "workspace"):
            assert (await client.get("/livez", part=part))[0] == 200
            status, ready = await client.get("/readyz?verbose", part=part)
            assert status == 200 and set(ready["checks"].values()) == {"ok"}
            assert (await client.get("/openapi.json", part=part))[1]["openapi"] == "3.1.0"
            assert (await client.get("/asyncapi.json", part=part))[1]["asyncapi"] == "3.0.0"
            assert [key["kid"] for key in (await client.get("/.well-known/jwks.json", part=part))[1]["keys"]]
            assert (await client.get("/metrics", part=part))[0] == 401
            bearer = {"Authorization": f"Bearer {admin.token}"}
            async with session.get(site.url(part, "/metrics"), headers=bearer) as answer:
                assert "ottb_http_requests_total" in await answer.text()
            async with session.get(site.url(part, "/docs")) as answer:
                assert answer.status == 200 and "default-src 'self'" in answer.headers["Content-Security-Policy"]


async def test_no_log_holds_a_number_a_token_or_a_password(site: Site, operator: Client) -> None:
    number = "+380997654321"
    _, started = await operator.post("/api/call/start", {"number": number})
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    for path in (site.state / "log").glob("*.log"):
        text = path.read_text(errors="replace")
        for secret in (number, number[1:], operator.token, site.admin_password):
            assert secret not in text, path
