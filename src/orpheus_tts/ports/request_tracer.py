"""The port to traces: where the time of single requests goes, across processes and beyond this server."""

from typing import Protocol

from orpheus_tts.ports.server_observer import ServerObserver


class RequestTracer(ServerObserver, Protocol):
    """Follows requests through a process that speaks HTTP, and lets others follow them further."""

    def join(self, process: str) -> None:
        """Begin in this process, `http-0` for example. Nothing is told before."""
        ...

    def traceparent(self, request_id: str) -> str:
        """Where whoever works on a request under way is to tell of it: a `traceparent` as the W3C writes it.

        Empty if the request is not followed.
        """
        ...

    def leave(self) -> None:
        """Send what was not sent yet; takes seconds at most. Nothing is told afterwards."""
        ...
