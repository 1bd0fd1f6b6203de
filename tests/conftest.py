import logging

import structlog

# Tests look at behaviour, not at logs; what a failing test needs is in its own message. (Pretty tracebacks of the
# crashes that are made on purpose would cost more than everything else.)
structlog.configure(
    processors=[structlog.processors.KeyValueRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
)
