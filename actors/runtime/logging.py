"""JSON logs with one trace id from HTTP to phone, and no phone number in full."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_NUMBER = re.compile(r"(?:%2B|\+)?(?<![0-9A-Za-z_.:/-])([0-9]{5})[0-9]{1,7}([0-9]{3})(?![0-9A-Za-z_.:-])")
NOT_NUMBERS = frozenset({"timestamp", "trace_id", "call_id", "command_id", "request_id", "seq", "port"})


def masked(text: str) -> str:
    """Phone numbers in a text with their middle hidden: `+38099***4567`."""
    return _NUMBER.sub(r"+\1***\2", text)


def _mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and key not in NOT_NUMBERS:
            event[key] = masked(value)
    return event


def configure(*, level: str, service: str) -> None:
    """One JSON object a line on standard output, standard library loggers included."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        _mask,
    ]
    structlog.contextvars.bind_contextvars(service=service)
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(),
            ],
        )
    )  # fmt: skip
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
