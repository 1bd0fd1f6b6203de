"""A collector of traces: a real HTTP server that takes OTLP as protobuf, and keeps the spans."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Seen(Struct, frozen=True):
    """A span that has arrived. `parent` empty: it is the first of its trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    begun: int
    ended: int
    attributes: dict[str, str]
    error: str


class Collector:
    """What has come in. `raw`: the bodies; `status`: with which it answers."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.status = 200
        self.url = ""

    @property
    def spans(self) -> list[Seen]:
        return [span for body in self.raw for span in _spans(body)]

    def of(self, trace: str) -> list[Seen]:
        return [span for span in self.spans if span.trace == trace]

    def wait(self, accept: Callable[[list[Seen]], bool], seconds: float = 15.0) -> list[Seen]:
        """All spans, once they are what is waited for."""
        give_up = time.monotonic() + seconds
        while not accept(found := self.spans):
            assert time.monotonic() < give_up, found
            time.sleep(0.05)
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces" and collector.status == 200:
                collector.raw.append(body)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _spans(body: bytes) -> Iterator[Seen]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    for resource in request.resource_spans:
        [service] = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                told = {one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes}
                yield Seen(
                    service, span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                    span.start_time_unix_nano, span.end_time_unix_nano, told, span.status.message,
                )  # fmt: skip
