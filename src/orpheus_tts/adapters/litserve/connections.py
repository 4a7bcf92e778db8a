"""Connections that cost little, whoever holds them: uvicorn's HTTP protocol with limits on heads, readers and numbers.

They apply before anything of a request is looked at, its key included.
"""

import resource
import socket
from asyncio import Transport
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orpheus_tts.adapters.litserve.errors import BUSY_CONNECTIONS, HEAD_TIMEOUT, HEAD_TOO_LARGE, Answer

if TYPE_CHECKING:
    from asyncio.events import TimerHandle

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

# As much as uvicorn's other implementation of HTTP takes (h11's `max_incomplete_event_size`).
_HEAD_BYTES = 64 * 1024
# As many as Apache takes (`LimitRequestFields`).
_HEADERS = 100
# Requests of one connection that are read before the first is answered; hardly any client sends even two.
_PIPELINED = 8
# Each limit is looked after so many times while it runs.
_CHECKS_PER_LIMIT = 4
# What the kernel holds for a reader that falls behind; Linux doubles it, and would take 4 MiB by itself: four minutes
# of mp3 that would be spoken for nobody. It is no brake: 1 MiB a second where a round trip takes a quarter of one.
_KERNEL_BYTES = 128 * 1024
# Files that a process has open beside connections, and a margin.
_OTHER_FILES = 128
_MAX_CONNECTIONS = 4096


def affordable_connections() -> int:
    """How many one process can hold: a request for speech takes two files, one of them to its worker."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(1, min(_MAX_CONNECTIONS, (files - _OTHER_FILES) // 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What connections may take.

    Attributes:
        head_seconds: From the beginning of a connection, or of a further request, until its headers are complete.
        write_seconds: How long a client may take no byte at all of what is ready for it.
        connections: Most of one process at a time. For one beyond them an idle one is closed.
    """

    head_seconds: float = 10.0
    write_seconds: float = 120.0
    connections: int = field(default_factory=affordable_connections)


class LimitedProtocol(HttpToolsProtocol):
    """One connection; uvicorn makes it. What it does not do in time closes it."""

    def __init__(self, *args: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._check_seconds = min(limits.head_seconds, limits.write_seconds) / _CHECKS_PER_LIMIT
        self._timer: TimerHandle | None = None
        self._heard_at = 0.0
        # Requests without a complete answer, in order: the first is being answered, others were sent ahead of its end.
        self._cycles: list[RequestResponseCycle] = []
        # While a head is awaited:
        self._head_since: float | None = None
        self._head_bytes = 0
        # What the client has yet to take, and since when it was as much.
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        self._heard_at = self._head_since = self.loop.time()
        self._timer = self.loop.call_later(self._check_seconds, self._check)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let every request know that the client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        for cycle in self._cycles:  # uvicorn tells the latest only, which waits for those before it
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Count what comes before a head is complete; anything but a request counts as the beginning of one."""
        self._heard_at = self.loop.time()
        if self._head_since is not None:
            self._head_bytes += len(data)
        elif self._idle:
            self._await_head(len(data))
        super().data_received(data)
        if self._head_since is not None and self._head_bytes > _HEAD_BYTES and self._idle:
            self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._head_since is None:
            self._await_head(1)  # or more, in what came with the end of the one before

    def on_headers_complete(self) -> None:
        """Answer the request, or refuse it."""
        self._head_since = None
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > _HEAD_BYTES or len(self.headers) > _HEADERS:
            self.app = HEAD_TOO_LARGE.response()  # it closes the connection
        super().on_headers_complete()
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete] + [self.cycle]
        if len(self._cycles) > _PIPELINED:
            self.transport.abort()
        elif len(self._cycles) > 1:
            # uvicorn stops reading here, and then nobody would notice that the client leaves.
            self.flow.resume_reading()

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered."""
        return all(cycle.response_complete for cycle in self._cycles)

    def _await_head(self, size: int) -> None:
        self._head_since, self._head_bytes = self.loop.time(), size

    def _check(self) -> None:
        self._timer = self.loop.call_later(self._check_seconds, self._check)
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif unsent and now - self._unsent_since >= self._limits.write_seconds:
            self.transport.abort()
        if self._head_since is not None and not self._idle:  # that of a request sent ahead of its turn
            self._head_since = now
        elif self._head_since is not None and now - self._head_since >= self._limits.head_seconds:
            self._refuse(HEAD_TIMEOUT if self._head_bytes else None)

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest; if all others are busy, this one."""
        idle = [other for other in self.connections if isinstance(other, LimitedProtocol) and other.is_spare]
        others = [other for other in idle if other is not self]
        if others:
            min(others, key=lambda other: other.heard_at).transport.close()
        else:
            self._refuse(BUSY_CONNECTIONS)

    @property
    def is_spare(self) -> bool:
        """Whether it can be closed without breaking off an answer."""
        return self._idle and not self.transport.is_closing()

    @property
    def heard_at(self) -> float:
        """When the client last said something, on the loop's clock."""
        return self._heard_at

    def _refuse(self, answer: Answer | None) -> None:
        """Close the connection, with an answer or without."""
        self._head_since = None
        if self.transport.is_closing():
            return
        if answer is not None:
            response = answer.response()
            self.transport.write(_head(response.status_code, response.raw_headers) + bytes(response.body))
        self.transport.close()


def _head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *(b": ".join(pair) for pair in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"
