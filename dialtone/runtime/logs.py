"""Logging: structlog for ours, the standard library's (uvicorn, asyncio, aiohttp) through the same pipe."""

import logging
from collections.abc import Mapping, Set
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from dialtone.model import Secret

Format = Literal["text", "json"]

MAX_FIELD: Final = 2000
"""The longest text that one field of a log line holds, in characters; a traceback may be longer."""

_MAX_TRACEBACK: Final = 8 * MAX_FIELD
_MAX_ITEMS: Final = 50
_MAX_DEPTH: Final = 4
_VISIBLE: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}
"""Control characters as escapes: what a server answered must not drive the reader's terminal."""
_PLAIN: Final = (int, float, type(None))
_QUIET: Final[Mapping[str, int]] = {
    "aiohttp.access": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.ERROR,  # warns of every request that is no HTTP, whoever sends it
}
"""Loggers that would write one line a request."""


def configure(level: str, fmt: Format, stream: TextIO) -> None:
    """Send every log line of the process to the stream, from `level` (debug, info, ...) up.

    Each line has a UTC time in ISO 8601, the level, the logger's name, the event and its fields;
    as text (`key=value`) or as one JSON object. Secrets are masked even inside containers, and no
    field is longer than MAX_FIELD. Called again, it replaces what was configured.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        bound_fields,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event", "logger"], bool_as_flag=False
        )
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def bound_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make every field short, shallow and harmless; a structlog processor."""
    return {
        key: value if key.startswith("_") else _bounded(value, limit=_limit(key))
        for key, value in event.items()
    }


def _limit(key: str) -> int:
    return _MAX_TRACEBACK if key == "exception" else MAX_FIELD


def _bounded(value: object, *, limit: int = MAX_FIELD, depth: int = 0) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Secret):
        return str(value)
    if depth >= _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {_text(key, MAX_FIELD): _bounded(item, depth=depth + 1) for key, item in items}
    if isinstance(value, list | tuple | Set):
        return [_bounded(item, depth=depth + 1) for item in list(value)[:_MAX_ITEMS]]
    return _text(value, limit)


def _text(value: object, limit: int) -> str:
    text = str(value).translate(_VISIBLE)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
