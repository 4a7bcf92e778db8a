"""The port to figures about a running server, which its processes gather together and any of them can show."""

from pathlib import Path
from typing import Protocol

from orpheus_tts.ports.server_observer import ServerObserver


class ServerMetrics(ServerObserver, Protocol):
    """Gathers figures in several processes. Pickled into each worker; used in a process only after it has joined."""

    def open(self, directory: Path) -> None:
        """Gather in this folder, which exists and is the server's own.

        Called once, in the main process, before it starts others.
        """
        ...

    def join(self, process: str) -> None:
        """Let this process take part.

        Args:
            process: Unique among those that run: `main`, `http-0`, `worker-0`. One that takes the place of a process
                that died goes on with its counters.
        """
        ...

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All figures of all processes. Takes milliseconds; may be called in any thread.

        Args:
            accept: The request's header of that name.

        Returns:
            The body, and its content type.
        """
        ...
