"""Any row of ROUTES as a handler: authenticate, check, decode, ask, answer. Written once for all of them."""

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog
from aiohttp import web
from msgspec.structs import replace

from actors.runtime.bus import Bus, Message
from actors.runtime.context import NO_ACTIONS, Context
from actors.runtime.ids import Ids
from actors.runtime.lane import Lane
from actors.runtime.sparing import FAILED_LINES, SparingLog
from actors.runtime.wire import SEQ_HEADER, UNCHANGED_HEADER, ask, ask_raw
from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.link import PARAMETER
from bus_schemas.log import WRITE_LOG
from bus_schemas.permissions import Access, Action
from bus_schemas.pipeline import CHECK_PIPELINE, DEFINE_PIPELINE, RUN_PIPELINE
from bus_schemas.slot import ADB_COMMAND
from bus_schemas.user import REFRESH
from gateway import errors, line_files, traces, whole_tables
from gateway.answers import JSON_HEADERS, at_table, csv_headers, known_columns, presented
from gateway.auditor import (
    CALLER,
    CHANGED,
    INTENT,
    REQUEST_ID,
    RPC_REQUEST,
    TRACE_ID,
    Auditor,
    has_changed,
    is_in_doubt,
)
from gateway.auth import Authenticator, Caller
from gateway.bodies import BROKEN_OFF
from gateway.brake import Brake, GiveBack
from gateway.errors import REPLAYED
from gateway.idempotency import Idempotency, digest_of
from gateway.in_parts import ask_in_parts
from gateway.log_feed import LogFeed
from gateway.log_links import LogLinks
from gateway.metrics import Metrics
from gateway.page_headers import page_headers
from gateway.phone_streams import PhoneStreams, Poured, Reading
from gateway.reading import BY_LINK, Reader, body_of, login_of, read_with, reader_of
from gateway.reads import Reads
from gateway.recordings import Recordings
from gateway.routes import BODY_LIMIT, FILE_KINDS, Held, Part, Route, Upload
from gateway.server import client_of, has_gone, protocol_of
from gateway.step_outputs import StepOutputs
from gateway.stored_files import StoredFiles
from gateway.traces import TRACEPARENT

log = structlog.get_logger()

STRANGERS_LINES = 120  # a minute in the log, of requests that nobody known is behind

OF_A_SECRET = {"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store"}
GIVE_BACK: web.RequestKey[GiveBack] = web.RequestKey("give_back", partial)  # its turn of the long run
COMMAND_ID: web.RequestKey[str] = web.RequestKey("command_id", str)  # ours, whatever the client calls its request

SAID_OF_ERRORS = ("Allow", "Content-Range")  # headers of aiohttp's own refusals that clients need

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")

READS = ("GET", "HEAD")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Sender = Callable[[Route, web.Request, Any, Caller], Awaitable[web.StreamResponse]]

COUNTED = (ADB_COMMAND, WRITE_LOG, CHECK_PIPELINE, DEFINE_PIPELINE, RUN_PIPELINE)
ANYBODY = Caller(user="", credential="", actions=frozenset(), expires=0.0)


@dataclass(frozen=True)
class Needs:
    """What a row's answerer must be told beside the request. Every header costs both ends."""

    credential: bool  # POINT's own lines, what is counted by share, and what goes on in the asker's name
    many: bool  # `Route.many`
    brake: Held
    records: bool  # it may be answered from the ledger, which must be as far as the caller has seen

    @classmethod
    def of(cls, route: Route) -> "Needs":
        subject = route.rpc.subject
        return cls(
            credential=route.part is Part.POINT or route.many or route.linked or route.rpc in COUNTED,
            many=route.many,
            brake=route.brake,
            records=subject.startswith("ottb.v1.qry.") or route.rpc.fallback is not None,
        )


class HttpApi:
    """What every handler needs. `watermark`: the journal's last sequence that this gateway has shown to anybody."""

    def __init__(
        self,
        *,
        bus: Bus,
        ids: Ids,
        authenticator: Authenticator,
        idempotency: Idempotency,
        metrics: Metrics,
        auditor: Auditor,
        recordings: Recordings,
        stored: StoredFiles,
        brake: Brake,
        log_feed: LogFeed,
    ) -> None:
        self.log_feed = log_feed
        self.auditor = auditor
        self.brake = brake
        self.recordings = recordings
        self.stored = stored
        self.bus = bus
        self.ids = ids
        self.authenticator = authenticator
        self.idempotency = idempotency
        self.metrics = metrics
        self.reads, self.large_bodies = Reads(), Lane("large bodies")
        self.line_files = line_files.LineFiles(bus)
        self.phone_streams = PhoneStreams(bus)
        self.outputs = StepOutputs(bus)
        self.log_links = LogLinks(bus, ids)
        self.watermark = 0
        self._strangers = SparingLog(per_minute=STRANGERS_LINES, now=time.monotonic)
        self._failed = SparingLog(per_minute=FAILED_LINES, now=time.monotonic)

    def raise_watermark(self, seq: int) -> None:
        self.watermark = max(self.watermark, seq)

    # --- one handler for every row

    def handler(self, route: Route) -> Handler:
        """The row as an aiohttp handler."""
        read = reader_of(route)
        needs = Needs.of(route)

        async def handle(request: web.Request) -> web.StreamResponse:
            if not route.audited:
                return await carry_out(request)
            changed = True
            try:
                response = await self.auditor.watch(route, request, lambda: carry_out(request))
                changed = has_changed(request, response)
            except Refusal as refusal:
                changed = is_in_doubt(refusal.code, request.get(INTENT, ""))
                raise
            finally:
                if not changed and GIVE_BACK in request:
                    request[GIVE_BACK]()
            if changed and (share := login_of(request)) is not None:
                await self.brake.logged_in(share)
            return response

        async def carry_out(request: web.Request) -> web.StreamResponse:
            caller = await self.authenticate(route.permission, request)
            await self._brake_for(route, request, caller, needs)
            async with self._turn_for(route, caller):
                return await answer(request, caller)

        async def answer(request: web.Request, caller: Caller) -> web.StreamResponse:
            if route.lines or route.upload is not None:
                return await self._of_file(route, request, read, caller, needs)
            body = await body_of(request, route.most)
            rpc_request = request[RPC_REQUEST] = await read_with(read, request, body, self.large_bodies, caller.share)
            if (share := login_of(request)) is not None:
                await self.brake.before_login(share)
            if (send := self._sender(route, request, rpc_request)) is not None:
                return await send(route, request, rpc_request, caller)
            return await self._answer(route, request, rpc_request, body, caller, needs)

        return handle

    async def _answer(
        self, route: Route, request: web.Request, rpc_request: Any, body: bytes, caller: Caller, needs: "Needs"
    ) -> web.Response:
        """Ask on the bus, of what is read much in turn, and of what has a key once."""
        key = request.headers.get("Idempotency-Key") if route.effect else None
        if needs.many:
            async with self.reads.turn(caller.share):
                return await self._ask(route, request, rpc_request, caller, request[COMMAND_ID], needs)
        if key is None:
            return await self._ask(route, request, rpc_request, caller, request[COMMAND_ID], needs)
        caller = await self._still(route, caller)  # also what was answered before is for whom may ask
        record = Idempotency.record_of(caller.whose, f"{route.method} {request.path}", key)
        digest = await digest_of(body)
        command_id = Idempotency.command_id(record, digest)
        return await self.idempotency.run(
            record, digest, lambda again: self._ask(route, request, rpc_request, caller, command_id, needs, again=again)
        )

    def _turn_for(self, route: Route, caller: Caller) -> AbstractAsyncContextManager[None]:
        """The turn of a request whose body or answer may be large: it is kept in memory, or a part of it."""
        large = route.most > BODY_LIMIT or route.stored
        return self.reads.turn(caller.share) if large else nullcontext()

    async def _brake_for(self, route: Route, request: web.Request, caller: Caller, needs: "Needs") -> None:
        """Wait for the turn of what is posted or looked at. A refresh takes of the logins of whose token it is."""
        if caller is ANYBODY:
            if route.signing:
                self.brake.stranger(route.rpc, client_of(request))
            return
        if needs.brake is Held.TURNS or route.rpc is REFRESH:
            await self.brake.turn(caller.share)
        elif needs.brake is Held.CHANGES:
            request[GIVE_BACK] = await self.brake.admit(route.rpc, caller.share)
        elif needs.brake is Held.LOOKS:
            await self.brake.look(caller.share)

    async def authenticate(self, permission: Action | Access, request: web.Request) -> Caller:
        """Who asks, if they may. Raises Refusal."""
        header = request.headers.get("Authorization")
        if permission in (Access.PUBLIC, Access.SIGNED) or (permission is Access.OPTIONAL and header is None):
            return ANYBODY
        if header is None and request.method in READS and PARAMETER in request.query and isinstance(permission, Action):
            caller = await self.authenticator.authenticate_link(request.raw_path)
            request[BY_LINK] = True
        else:
            caller = await self.authenticator.authenticate_header(header)
        request[CALLER] = caller
        protocol_of(request).known(request, caller)
        caller.must(permission)
        return caller

    async def _still(self, route: Route, caller: Caller) -> Caller:
        """The caller as they are now, after each wait (for their body, a turn, a key): what let them in may be gone.
        Raises Refusal."""
        return caller if caller is ANYBODY else await self.authenticator.again(caller, route.permission)

    def _sender(self, route: Route, request: web.Request, rpc_request: Any) -> Sender | None:
        """What sends the answer, where that is a file. Raises web.HTTPTemporaryRedirect."""
        if route.as_table is not None and rpc_request.format == "csv":
            if BY_LINK in request:
                there = route.as_table.format(**request.match_info)
                raise misfit("format", f"the table is at {there}: make the link for that.")
            raise web.HTTPTemporaryRedirect(at_table(request, route.as_table))
        if route.whole and whole_tables.is_whole(request, rpc_request):
            return self._send_whole
        if route.followed:
            return self._follow
        if route.output:
            return self._send_output
        if route.passed is not None:
            return self._pass_on
        return self._send_file if route.file or route.stored else None

    async def _follow(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller
    ) -> web.StreamResponse:
        assert isinstance(route.permission, Action)
        return await self.log_feed.send(request, rpc_request, await self._still(route, caller), route.permission)

    async def _send_file(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller
    ) -> web.StreamResponse:
        caller = await self._still(route, caller)
        context = Context(
            command_id=request[COMMAND_ID],
            user=caller.user,
            actions=caller.actions & route.rpc.needed,
            traceparent=request[TRACEPARENT],
            after=self.watermark,
        )
        found = await ask(self.bus, route.rpc, rpc_request, context)
        if not route.stored:
            return self.recordings.send(request, found)
        response = await self.stored.send(request, found)
        request[CHANGED] = request.method != "HEAD" and response.status != 304  # else nothing was taken away
        return response

    async def _send_output(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller
    ) -> web.StreamResponse:
        async with self.reads.turn(caller.share):
            caller = await self._still(route, caller)
            context = Context(
                command_id=request[COMMAND_ID], user=caller.user, actions=caller.actions & route.rpc.needed,
                traceparent=request[TRACEPARENT], after=self.watermark,
            )  # fmt: skip
            return await self.outputs.send(request, await ask(self.bus, route.rpc, rpc_request, context))

    async def _pass_on(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller
    ) -> web.StreamResponse:
        """What a phone's host streams."""
        assert route.passed is not None
        context = Context(
            command_id=request[COMMAND_ID], user=caller.user, actions=caller.actions & route.rpc.needed,
            traceparent=request[TRACEPARENT], credential=caller.credential,
        )  # fmt: skip
        with self.phone_streams.place(caller.share):
            caller = await self._still(route, caller)
            await self.auditor.intend(route, request)
            opened = await ask(self.bus, route.rpc, rpc_request, context)
            reading = Reading(
                request=request, slot=rpc_request.slot, opened=opened, context=context,
                still=lambda: self._still(route, caller),
            )  # fmt: skip
            return await self.phone_streams.send(route.passed, reading)

    async def _send_whole(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller
    ) -> web.StreamResponse:
        async with self.reads.turn(caller.share):
            caller = await self._still(route, caller)
            context = Context(
                command_id=request[COMMAND_ID], user=caller.user, actions=caller.actions & route.rpc.needed,
                traceparent=request[TRACEPARENT], after=self.watermark,
            )  # fmt: skip
            await self.auditor.intend(route, request)

            asked = dict[str | None, frozenset[str]]()  # with which rights, of pages that are not written

            async def page(cursor: str | None) -> Message:  # whoever reads slowly reads for hours
                may = asked[cursor] = (await self._still(route, caller)).actions & route.rpc.needed
                own = replace(context, actions=may)
                wanted = replace(rpc_request, cursor=cursor, limit=whole_tables.PAGE)
                return await ask_raw(self.bus, route.rpc, wanted, own)

            async def still(cursor: str | None) -> None:
                if not asked.pop(cursor) <= (await self._still(route, caller)).actions:
                    raise Refusal(ErrorCode.PERMISSION_DENIED, "You may see less by now.")

            known, more = known_columns(route), bool(route.columns)
            return await whole_tables.send(request, page, still, csv_headers(route), known, more=more)

    async def _of_file(
        self, route: Route, request: web.Request, read: Reader, caller: Caller, needs: "Needs"
    ) -> web.StreamResponse:
        """The body is a file: kept where the hosts read it, or taken line by line."""
        if route.upload is not None:
            return await self._take_file(route, route.upload, request, read, caller, needs)
        return await self._of_lines(route, request, read(request, b""), caller)

    async def _take_file(
        self, route: Route, upload: Upload, request: web.Request, read: Reader, caller: Caller, needs: "Needs"
    ) -> web.StreamResponse:
        """Keep the body where the hosts read it, if they would take it, and ask with what there is of it then. What
        surely comes to nothing, or was done before, does not stay there."""
        asked, size = read(request, b""), self.stored.size_of(request, upload)
        context = Context(
            command_id=self.ids.new(), user=caller.user, actions=caller.actions & upload.admit.needed,
            traceparent=request[TRACEPARENT], after=self.watermark,
        )  # fmt: skip
        with self.stored.place(caller.share, caller.user, size) as place:
            to_come = self.stored.to_come(), self.stored.to_come(caller.user)
            if upload.poured:
                to_come = request.content_length or 0, 0
            admitted = await ask(self.bus, upload.admit, upload.ask(asked, *to_come), context)
            if upload.poured:
                place.writer = Poured(self.bus, asked.slot, admitted.stream, context)
            file = await self.stored.take(request, upload, place)
        needed = True  # also where this is cut off, and nobody knows
        try:
            rpc_request = request[RPC_REQUEST] = replace(asked, **{upload.field: file})
            body = msgspec.json.encode(replace(asked, **{upload.field: replace(file, key="")}))
            caller = await self._still(route, caller)
            response = await self._answer(route, request, rpc_request, body, caller, needs)
            needed = REPLAYED not in response.headers
            return response
        except Refusal as refusal:
            needed = is_in_doubt(refusal.code, request.get(INTENT, ""))
            raise
        finally:
            if not needed:
                self.stored.undo(place)

    async def _of_lines(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller
    ) -> web.StreamResponse:
        if request.content_type not in FILE_KINDS:
            raise Refusal(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {' or '.join(FILE_KINDS)}.")
        request[RPC_REQUEST] = rpc_request
        with self.line_files.place(caller.user):
            body = await body_of(request, line_files.FILE_LIMIT)
            caller = await self._still(route, caller)
            context = Context(command_id=request[COMMAND_ID], user=caller.user, traceparent=request[TRACEPARENT])
            await self.auditor.intend(route, request)
            done = await self.line_files.carry_out(rpc_request, body, context, gone=lambda: has_gone(request))
        request[CHANGED] = done.changed
        self.raise_watermark(done.seq)
        return web.Response(body=msgspec.json.encode(done.body), status=route.status, headers=JSON_HEADERS)

    async def _ask(
        self, route: Route, request: web.Request, rpc_request: Any, caller: Caller, command_id: str, needs: "Needs", *,
        again: bool = False,
    ) -> web.Response:  # fmt: skip
        caller = await self._still(route, caller)
        context = Context(
            command_id=command_id,
            user=caller.user,
            actions=caller.actions & route.rpc.needed if route.rpc.needed else NO_ACTIONS,
            traceparent=request[TRACEPARENT],
            credential=caller.credential if needs.credential else None,
            address=client_of(request) if needs.credential else "",
            after=self.watermark if needs.records else 0,
            fresh=command_id == request[COMMAND_ID] and request.method != "GET",
            again=again,
        )
        if (trace_id := context.trace_id) is not None:
            request[TRACE_ID] = trace_id
        await self.auditor.intend(route, request)
        if route.parts is None:
            answered = await ask_raw(self.bus, route.rpc, rpc_request, context)
        else:
            answered = await ask_in_parts(self.bus, route.parts, rpc_request, context)
        request[CHANGED] = UNCHANGED_HEADER not in answered.headers
        data = answered.data
        if needs.brake is Held.LOOKS:
            self.brake.looked(caller.share, len(data))
        if route.linked and BY_LINK not in request:  # a link opens one thing alone, and for no longer
            data = await self.log_links.put_in(request, data, replace(context, credential=caller.credential))
        response = await presented(route, request, data)
        self.raise_watermark(int(answered.headers.get(SEQ_HEADER, "0")))
        response.headers.update(page_headers(answered.headers, request, by_link=BY_LINK in request))
        return response

    # --- around every handler

    async def keep_secret(self, request: web.Request, response: web.StreamResponse) -> None:
        """Of what was opened by a link the address is a secret for a while. To be told of every answer that begins."""
        if BY_LINK in request:
            response.headers.update(OF_A_SECRET)

    @web.middleware
    async def envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Request ids, one error format, figures and one log line."""
        given = request.headers.get("X-Request-ID", "")
        command_id = request[COMMAND_ID] = self.ids.new()
        request_id = request[REQUEST_ID] = given if _REQUEST_ID.match(given) else command_id
        started = time.perf_counter()
        path = _template(request)
        over = traces.begin(request, path, command_id)
        response = await self._guarded(request, handler, request_id)
        over(response.status)
        if not response.prepared:
            response.headers["X-Request-ID"] = request_id
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
        seconds = time.perf_counter() - started
        self.metrics.request(request.method, path, response.status, seconds)
        caller = request.get(CALLER, ANYBODY)
        if request.method in READS and response.status < 500:
            say = log.debug
        else:
            say = self._strangers.info if caller is ANYBODY else log.info
        say(
            "request", method=request.method, path=path, status=response.status, ms=round(1000 * seconds, 1),
            user=caller.user, request_id=request_id, trace_id=request.get(TRACE_ID),
        )  # fmt: skip
        return response

    async def _guarded(self, request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return errors.response(refusal, request_id=request_id)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            answer = errors.response(errors.of_http(error, request.path), request_id=request_id, status=error.status)
            answer.headers.update({name: error.headers[name] for name in SAID_OF_ERRORS if name in error.headers})
            return answer
        except (ConnectionError, web.RequestPayloadError):  # whatever was read of what they sent: they cause it at will
            return errors.response(BROKEN_OFF(), request_id=request_id)
        except Exception:  # noqa: BLE001  it is logged, and whoever asked is told
            self._failed.exception("request failed", path=_template(request), request_id=request_id)
            return errors.response(Refusal(ErrorCode.INTERNAL, "Internal error."), request_id=request_id)


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
