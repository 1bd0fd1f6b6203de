"""A SIP phone at a slot's extension whose user presses "transfer": it takes the call, calls somebody else, talks, and
hands the one over to the other (REFER with Replaces: RFC 3515, RFC 3891), as desk phones do it. It is silent."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

PAUSE = 0.7  # seconds of talk before each step
ANSWER_SECONDS = 20.0
TAG = "ours"
_CONTACT = re.compile(r"<([^>]+)>")
_TAG = re.compile(r";tag=([^;>\s]+)")
_METHOD = re.compile(r"[0-9]+ ([A-Z]+)\Z")

Headers = dict[str, str]


class TransferringPhone(asyncio.DatagramProtocol):
    """`pbx`: its SIP port. `second`: the extension there that is called before the transfer."""

    def __init__(self, *, port: int, pbx: int, second: str) -> None:
        self._port, self._pbx, self._second = port, pbx, second
        self._answers: asyncio.Queue[tuple[int, Headers]] = asyncio.Queue()
        self._told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._work: asyncio.Task[None] | None = None
        self._ids = 0
        self.wire: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head, _, body = data.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if first.startswith("SIP/2.0"):
            status = int(first.split()[1])
            if status >= 200:
                self._answers.put_nowait((status, headers))
            return
        match first.split()[0]:
            case "INVITE":
                self._send("SIP/2.0 180 Ringing", self._back(headers))
                self._send("SIP/2.0 200 OK", self._back(headers), self._sdp())
                if self._work is None:
                    self._work = asyncio.get_running_loop().create_task(self._transfer(headers))
            case "ACK":
                pass
            case "NOTIFY" if "SIP/2.0 1" not in body and not self._told.done():
                self._told.set_result(body.strip())
                self._send("SIP/2.0 200 OK", self._back(headers))
            case _:
                self._send("SIP/2.0 200 OK", self._back(headers))

    async def transferred(self) -> str:
        """What the PBX has said of the transfer in the end, like `SIP/2.0 200 OK`. Raises what went wrong."""
        assert self._work is not None, "nobody has called"
        await self._work
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._told

    async def _transfer(self, first: Headers) -> None:
        await asyncio.sleep(PAUSE)
        target = f"sip:{self._second}@127.0.0.1:{self._pbx}"
        to, call_id = f"<{target}>", f"second@{self._port}"
        ours = f"<sip:phone@127.0.0.1:{self._port}>;tag={TAG}"
        second = await self._ask("INVITE", target, {"From": ours, "To": to, "Call-ID": call_id}, self._sdp())
        contact = _found(_CONTACT, second["contact"])
        self._send(f"ACK {contact} SIP/2.0", self._request("ACK", 1, {**_dialog(second), "Call-ID": call_id}))
        await asyncio.sleep(PAUSE)
        replaces = f"{call_id};to-tag={_found(_TAG, second['to'])};from-tag={TAG}"
        within = {"From": f"{first['to']};tag={TAG}", "To": first["from"], "Call-ID": first["call-id"]}
        refer = {"Refer-To": f"<{target}?Replaces={quote(replaces, safe='')}>"}
        await self._ask("REFER", _found(_CONTACT, first["contact"]), within | refer)

    async def _ask(self, method: str, uri: str, more: Headers, body: str = "") -> Headers:
        """Send a request; the headers of its answer."""
        self._send(f"{method} {uri} SIP/2.0", self._request(method, 1, more), body)
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                status, headers = await self._answers.get()
                if _found(_METHOD, headers["cseq"]) == method:
                    assert status < 300, f"{method}: {status}"
                    return headers

    def _request(self, method: str, number: int, more: Headers) -> Headers:
        self._ids += 1
        via = f"SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{self._port}.{self._ids}"
        return {"Via": via, "Max-Forwards": "70", "CSeq": f"{number} {method}", "Contact": self._contact(), **more}

    def _back(self, asked: Headers) -> Headers:
        to = asked["to"] if _TAG.search(asked["to"]) else f"{asked['to']};tag={TAG}"
        kept = {"Via": asked["via"], "From": asked["from"], "Call-ID": asked["call-id"], "CSeq": asked["cseq"]}
        return {**kept, "To": to, "Contact": self._contact()}

    def _contact(self) -> str:
        return f"<sip:phone@127.0.0.1:{self._port}>"

    def _sdp(self) -> str:
        lines = ("v=0", "o=phone 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
                 f"m=audio {self._port} RTP/AVP 0", "a=rtpmap:0 PCMU/8000")  # fmt: skip
        return "".join(f"{line}\r\n" for line in lines)

    def _send(self, first: str, headers: Headers, body: str = "") -> None:
        kind = {"Content-Type": "application/sdp"} if body else {}
        lines = [first, *(f"{name}: {value}" for name, value in {**headers, **kind}.items())]
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        assert self.wire is not None
        self.wire.sendto(text.encode(), ("127.0.0.1", self._pbx))


def _dialog(answer: Headers) -> Headers:
    return {"From": answer["from"], "To": answer["to"]}


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None, text
    return found[1]


@asynccontextmanager
async def transferring_phone(*, port: int, pbx: int, second: str) -> AsyncIterator[TransferringPhone]:
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(
        lambda: TransferringPhone(port=port, pbx=pbx, second=second), local_addr=("127.0.0.1", port)
    )
    phone.wire = transport
    try:
        yield phone
    finally:
        transport.close()
