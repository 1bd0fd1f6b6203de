"""Spans to a collector, by OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/): in groups, from a thread of the
SDK's. A collector that is slow or away costs spans, beyond so many that wait, and nothing else."""

import asyncio
import logging
from collections.abc import Sequence
from threading import Thread

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from actors.runtime.settings import Traces
from actors.runtime.tracing import Span
from actors.runtime.version import version

log = structlog.get_logger()

WAIT, AT_ONCE = 4096, 512  # spans
EVERY, PATIENCE = 1.0, 5.0  # seconds
KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _Sender(OTLPSpanExporter):
    """Says when the collector goes away and when it is back."""

    well = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        well = result is SpanExportResult.SUCCESS
        if well is not self.well:
            self.well = well
            log.log(logging.INFO if well else logging.WARNING, "traces are taken again" if well else "traces not taken")
        return result


class Otlp:
    """Of one process. `service`: by which the collector knows it, `host`: which one."""

    def __init__(self, settings: Traces, *, service: str, host: str) -> None:
        self._resource = Resource({"service.name": service, "service.instance.id": host, "service.version": version()})
        self._scope = InstrumentationScope("ottb", version())
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it tells of each try, we once
        exporter = _Sender(endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces", timeout=PATIENCE)
        self._processor = BatchSpanProcessor(
            exporter, max_queue_size=WAIT, max_export_batch_size=AT_ONCE, schedule_delay_millis=1000 * EVERY,
            export_timeout_millis=1000 * PATIENCE,
        )  # fmt: skip

    def take(self, span: Span) -> None:
        """Have it sent."""
        status = Status(StatusCode.ERROR, span.error) if span.error is not None else Status(StatusCode.UNSET)
        self._processor.on_end(ReadableSpan(
            name=span.name, context=_context(span.trace, span.id), kind=KINDS[span.kind], resource=self._resource,
            parent=_context(span.trace, span.parent) if span.parent is not None else None,
            attributes=span.attributes, status=status, start_time=span.begun, end_time=span.ended,
            instrumentation_scope=self._scope,
        ))  # fmt: skip

    async def close(self) -> None:
        """Send what waits, and end. It takes `PATIENCE` at most: the SDK itself would try each group for as long."""
        ending = Thread(target=self._processor.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, PATIENCE)


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=SAMPLED)
