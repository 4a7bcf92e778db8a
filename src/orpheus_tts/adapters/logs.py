"""Logging with structlog: its one configuration, and the observers that log what happens to requests.

The text of a request is not logged unless that is asked for: lines hold figures and names, domain errors say nothing of
it, and of exceptions that nobody expected, which may quote anything, only the kind and the way are logged.
"""

import dataclasses
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Literal

import structlog

from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.ports.observer import ChunkRetried, Event, FirstAudio, SpeechFinished, SpeechStarted
from orpheus_tts.ports.server_observer import BlockSent, RequestAnswered, ServerEvent

LogFormat = Literal["auto", "console", "json"]

# They report what nobody has caught, also after the request's own context has ended.
_LOGGERS_OF_REQUESTS = frozenset({"asyncio", "uvicorn.error"})

_NAMES = {
    SpeechStarted: "speech started",
    FirstAudio: "first audio",
    ChunkRetried: "chunk retried",
    SpeechFinished: "speech finished",
}


def configure_logging(level: str, log_format: LogFormat = "auto", *, log_text: bool = False) -> None:
    """Send everything, also what libraries log, to standard error in one form.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        log_format: `console` for people, `json` for machines, `auto` by whether standard error is a terminal.
        log_text: Whether lines about a request may quote its text, as unexpected exceptions may.
    """
    for_people = sys.stderr.isatty() if log_format == "auto" else log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.UnicodeDecoder(),
    ]
    final: list[structlog.typing.Processor] = [
        structlog.processors.ExceptionRenderer() if log_text else _render_exception,
        # Plain tracebacks: the default ones show local variables, and the text among them.
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _render_exception(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Format the exception of a line; in lines about a request, without what it says."""
    exc_info = line.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        about_request = "request_id" in line or line.get("logger") in _LOGGERS_OF_REQUESTS
        line["exception"] = "".join(_described(error) if about_request else traceback.format_exception(error)).rstrip()
    return line


def _described(error: BaseException) -> Iterator[str]:
    """As `traceback.format_exception`, the messages of all but domain errors left out."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _described(before)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    message = str(error) if isinstance(error, OrpheusError) else "(message left out; TTS_LOG_TEXT=true shows it)"
    yield f"{type(error).__module__}.{type(error).__qualname__}: {message}\n"
    for inner in getattr(error, "exceptions", ()):
        yield from _described(inner)


class LoggingObserver:
    """Logs what happens to speech: retries at warning, failures at error, the rest at debug.

    How a request ended as its client saw it is in the line of the `AccessLog`.
    """

    def __init__(self) -> None:
        self._log = structlog.stdlib.get_logger("orpheus_tts.speech")

    def observe(self, event: Event) -> None:
        """Log the event; fields without a value are left out."""
        fields = dataclasses.asdict(event)
        data = _data(fields | fields.pop("stages", {}))
        if isinstance(event, SpeechFinished) and event.real_time_factor is not None:
            data["real_time_factor"] = round(event.real_time_factor, 4)
        self._log.log(_level(event), _NAMES[type(event)], **data)


class AccessLog:
    """Logs each request when it has ended: those for speech at info, others at debug. A `ServerObserver`.

    At debug also where the time to the first audio went.

    Args:
        log_text: Whether the text is part of the line.
    """

    def __init__(self, *, log_text: bool = False) -> None:
        self._log = structlog.stdlib.get_logger("orpheus_tts.access")
        self._on_the_way = structlog.stdlib.get_logger("orpheus_tts.http")
        self._log_text = log_text

    def observe(self, event: ServerEvent) -> None:
        """Log the end of a request."""
        if isinstance(event, RequestAnswered):
            self._answered(event)
        elif isinstance(event, BlockSent) and event.first:
            fields = {"request_id": event.request_id, "seconds": event.seconds, **event.stages}
            self._on_the_way.debug("first audio sent", **_data(fields))

    def _answered(self, event: RequestAnswered) -> None:
        line: dict[str, Any] = {
            "request_id": event.request_id,
            "method": event.method,
            "path": event.path,
            "status": event.status,
            "outcome": event.outcome,
            "seconds": event.seconds,
            "time_to_first_audio": event.time_to_first_audio,
        }
        if event.order is not None:
            line |= {
                "format": event.order.response_format,
                "stream": event.order.mode,
                "voice": event.order.voice,
                "characters": len(event.order.text),
                "text": event.order.text if self._log_text else None,
                "audio_seconds": event.audio_seconds,
                "bytes": event.size,
            }
        self._log.log(logging.INFO if event.speech else logging.DEBUG, "request", **_data(line))


def _data(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a line is to hold: only what has a value, and seconds to a tenth of a millisecond."""
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in fields.items()
        if value not in (None, "")
    }


def _level(event: Event) -> int:
    if isinstance(event, ChunkRetried):
        return logging.WARNING
    if isinstance(event, SpeechFinished) and event.outcome == "failed":
        return logging.ERROR
    return logging.DEBUG
