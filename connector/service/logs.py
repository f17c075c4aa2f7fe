"""The log: one line per event on standard output, as JSON or for people.

Promises that only the names and fields of `events` get through, that control characters are escaped, and that an
error of somebody else's is shown by its type and place but never by its text, which may hold a value. What libraries
warn of arrives in the same form. `cli` calls `configure` once; `Journal` and `app` write.
"""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from connector.errors import ConnectorError
from connector.service.events import EVENTS, LIBRARY, WARNED, Event
from connector.service.one_line import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from structlog.typing import EventDict, WrappedLogger

MAX_TEXT: Final = 300  # characters of a library's message
MAX_FRAMES: Final = 8  # the innermost; enough to find the place, short enough for one line
# Of each attempt to connect, twenty a second while brokers are away; that they are is told as `trouble`. GETPID: that
# a broker is not yet ready for a producer, which then asks again.
_RECONNECTING: Final = ("FAIL", "ERROR", "MAXPOLL", "GETPID")
_ADDED: Final = ("timestamp", "level", "event")  # at the head of each line
_EVENTS: Final[Mapping[str, Event]] = {event.name: event for event in EVENTS}


class UndeclaredError(ValueError):
    """An event or a field that `events` does not list: a mistake in the program."""


def configure(form: Literal["json", "console"], *, stream: TextIO | None = None, strict: bool = False) -> None:
    """Sets up the process's log.

    Args:
        form: one JSON object per line, or text for people.
        stream: where to; standard output if not given.
        strict: whether an undeclared event raises UndeclaredError, as the tests want. Otherwise its line is written
            without what is undeclared, since a slip in a log line must not end the service.
    """
    out = stream or sys.stdout
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_foreign_words,
            _declared if strict else _only_declared,
            _escaped,
            structlog.processors.JSONRenderer()
            if form == "json"
            else structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)


class _Libraries(logging.Handler):
    """Passes on what libraries warn of."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the library's arguments do not fit its format
            text = str(record.msg)
        if record.name == "librdkafka" and text.startswith(_RECONNECTING):
            return
        first = text.split("\n", 1)[0][:MAX_TEXT]  # asyncio's further lines quote the exception, and so its text
        structlog.get_logger().warning(LIBRARY, logger=record.name, text=first, exc_info=record.exc_info)


def _without_foreign_words(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replaces an exception by its type and place; only our own errors are known to hold no value."""
    line.pop("stack_info", None)
    given = line.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return line
    while isinstance(error, BaseExceptionGroup):  # a task group's; the first is what happened first
        error = error.exceptions[0]
    line["error"] = f"{type(error).__module__}.{type(error).__qualname__}"
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    line["where"] = [f"{'/'.join(Path(one.filename).parts[-2:])}:{one.lineno} {one.name}" for one in frames]
    if isinstance(error, ConnectorError):
        line.setdefault("text", str(error))
    return line


def _declared(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    name = line["event"]
    if name not in _EVENTS:
        raise UndeclaredError(f"the event {name} is not in connector.service.events")
    event = _EVENTS[name]
    fields = line.keys() - {*_ADDED, *event.fields}
    if fields or line["level"] != event.level:
        raise UndeclaredError(f"the event {name} is declared otherwise: level {event.level}, fields {event.fields}")
    return line


def _only_declared(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    event = _EVENTS.get(line["event"])
    if event is None:
        told = {"event": WARNED, "level": "warning", "text": f"undeclared event {line['event']}"}
        return {"timestamp": line["timestamp"], **told}
    return {name: value for name, value in line.items() if name in _ADDED or name in event.fields}


def _escaped(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    names = [*_ADDED, *(name for name in line if name not in _ADDED)]
    return {name: _plain(line[name]) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {one_line(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else one_line(value)
