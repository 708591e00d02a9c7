"""Log lines as events with fields, on stderr: text for a person, one JSON object a line for a machine.

Owns the set-up of structlog and of the standard library's logging, so that libraries speak in the same form. A line about
a request has its `request_id`. Bytes never reach a log: a photo shows as its length. Import `get_logger` from here, not from
structlog.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

from service.settings import Settings

# structlog's development renderer loads rich where it is installed: 5 MB and 60 ms in every process, for tracebacks with
# local variables, which a log must not hold. A module that is None cannot be imported, and structlog then does without.
_rich = sys.modules.get("rich")
sys.modules["rich"] = cast("Any", _rich)
try:
    import structlog
    from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
    from structlog.typing import FilteringBoundLogger, Processor
finally:
    if _rich is None:
        del sys.modules["rich"]

__all__ = ["bind_contextvars", "bound_contextvars", "clear_contextvars", "configure", "get_logger", "is_text"]

TEXT_LIMIT = 2000


def configure(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Send all log lines of this process to `stream` (stderr), each with the field `process`."""
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Named(process),
        _hide_content,
    ]
    render = _renderers(is_text(settings, stream), is_coloured=stream.isatty())
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Lossy(stream))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def get_logger(**fields: object) -> FilteringBoundLogger:
    """Give a logger with these fields on each of its lines."""
    return cast("FilteringBoundLogger", structlog.get_logger(**fields))


def is_text(settings: Settings, stream: TextIO | None = None) -> bool:
    """Tell whether log lines are for a person."""
    if settings.log_format == "auto":
        return (stream or sys.stderr).isatty()
    return settings.log_format == "text"


def _renderers(text: bool, *, is_coloured: bool) -> list[Processor]:
    """Turn the fields into a line; a failure's traceback goes with it, without local variables."""
    if text:
        return [
            structlog.dev.ConsoleRenderer(
                colors=is_coloured, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


class _Lossy:
    """Loses a line that cannot be written, as `logging` does: a full disk or a closed pipe costs no lane and no service."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Named:
    """Adds the process's name to each event."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, logger: object, method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
        fields.setdefault("process", self._process)
        return fields


def _hide_content(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace bytes by their length and cut long texts."""
    for name, value in fields.items():
        if isinstance(value, bytes | bytearray | memoryview):
            fields[name] = f"<{len(value)} bytes>"
        elif isinstance(value, str) and len(value) > TEXT_LIMIT:
            fields[name] = f"{value[:TEXT_LIMIT]}... ({len(value)} characters)"
    return fields
