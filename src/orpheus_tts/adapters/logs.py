"""Logging with structlog: its configuration, and the observer that logs what happens to requests. Never the text."""

import dataclasses
import logging
import sys
from typing import Any, Literal

import structlog

from orpheus_tts.ports.observer import ChunkRetried, Event, FirstAudio, SpeechFinished, SpeechStarted

LogFormat = Literal["auto", "console", "json"]

_NAMES = {
    SpeechStarted: "speech started",
    FirstAudio: "first audio",
    ChunkRetried: "chunk retried",
    SpeechFinished: "speech finished",
}


def configure_logging(level: str, log_format: LogFormat = "auto") -> None:
    """Send everything, also what libraries log, to standard error in one form.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        log_format: `console` for people, `json` for machines, `auto` by whether standard error is a terminal.
    """
    for_people = sys.stderr.isatty() if log_format == "auto" else log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.UnicodeDecoder(),
    ]
    final: list[structlog.typing.Processor] = (
        # Plain tracebacks: the default ones show local variables, and the text among them.
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
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


class LoggingObserver:
    """Logs every event with its data: finished and retried ones at info and warning, the others at debug."""

    def __init__(self) -> None:
        self._log = structlog.stdlib.get_logger("orpheus_tts.speech")

    def observe(self, event: Event) -> None:
        """Log the event; fields without a value are left out."""
        data: dict[str, Any] = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in dataclasses.asdict(event).items()
            if value is not None
        }
        if isinstance(event, SpeechFinished) and event.real_time_factor is not None:
            data["real_time_factor"] = round(event.real_time_factor, 4)
        self._log.log(_level(event), _NAMES[type(event)], **data)


def _level(event: Event) -> int:
    if isinstance(event, ChunkRetried):
        return logging.WARNING
    if isinstance(event, SpeechFinished):
        return logging.ERROR if event.outcome == "failed" else logging.INFO
    return logging.DEBUG
