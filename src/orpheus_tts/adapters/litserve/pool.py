"""The workers as one HTTP process sees them: which of them to ask, and how they are."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orpheus_tts.adapters.litserve.channel import ask_health, speak
from orpheus_tts.adapters.litserve.wire import Account, SpeechFailureError, WorkerLostError, WorkerUnavailableError
from orpheus_tts.domain.errors import DecoderStalledError, EngineDeadError
from orpheus_tts.domain.pcm import AudioBlock

# Failures after which a worker ends by itself; the supervisor starts another.
_LAST_FAILURES = frozenset({EngineDeadError.__name__, DecoderStalledError.__name__})


@dataclass(frozen=True, slots=True)
class Health:
    """How the workers are.

    Attributes:
        up: How many answer at all: their model is loaded.
        healthy: How many of these can speak.
    """

    up: int
    healthy: int

    @property
    def status(self) -> Literal["ok", "loading", "unhealthy"]:
        """`ok` when one worker can speak, `loading` while none is up, else `unhealthy`."""
        if self.healthy:
            return "ok"
        return "unhealthy" if self.up else "loading"


class WorkerPool:
    """The sockets of all workers. One HTTP process counts only its own requests; nothing is shared."""

    def __init__(self, paths: Iterable[Path], failing: Path) -> None:
        """See all of these.

        Args:
            paths: Their sockets.
            failing: A file that the main process keeps while none of them starts any more.
        """
        self._failing = failing
        # Ordered by last use, so that workers with as many requests take turns.
        self._in_flight = dict.fromkeys(paths, 0)

    async def speak(
        self, request: Mapping[str, Any], tell: Callable[[Account], None]
    ) -> AsyncGenerator[AudioBlock, None]:
        """Ask the worker with the fewest requests in flight, or the next one if nobody listens there.

        A request whose worker goes away before any sound, or its engine, is given to one other. Not to more: it may be
        what killed the first.

        Args:
            request: As of `request_to_json`.
            tell: As of `channel.speak`.

        Yields:
            Blocks of audio as the worker spoke them.

        Raises:
            WorkerUnavailableError: No worker is up.
            SpeechFailureError: The worker says what went wrong.
            WorkerLostError: It went away before it had answered.
        """
        lost: WorkerLostError | SpeechFailureError | None = None
        for path in sorted(self._in_flight, key=self._in_flight.__getitem__):
            self._in_flight[path] = self._in_flight.pop(path) + 1
            begun = False
            try:
                async with aclosing(speak(path, request, tell)) as blocks:
                    async for block in blocks:
                        begun = True
                        yield block
            except WorkerUnavailableError:
                continue
            except (WorkerLostError, SpeechFailureError) as error:
                if begun or lost or not _is_gone(error):
                    raise
                lost = error
            else:
                return
            finally:
                self._in_flight[path] -= 1
        raise lost or WorkerUnavailableError(
            "The model is still loading: no speech worker is up yet. Try again shortly."
        )

    @property
    def failing(self) -> bool:
        """Whether the workers seem beyond recovery: all failed to start, again and again."""
        return self._failing.exists()

    async def health(self) -> Health:
        """Ask all workers at once; takes a second at most."""
        answers = await asyncio.gather(*map(ask_health, self._in_flight), return_exceptions=True)
        up = [answer for answer in answers if isinstance(answer, bool)]
        return Health(up=len(up), healthy=sum(up))


def _is_gone(error: WorkerLostError | SpeechFailureError) -> bool:
    """Whether the worker is gone, or is about to go."""
    return isinstance(error, WorkerLostError) or not _LAST_FAILURES.isdisjoint(error.failure.kinds)
