"""Ending a load early, so that what is under way is cut off and everything measured so far is kept."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Stop:
    """Can be asked for once; then nothing waits any longer."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._scopes: set[asyncio.Timeout] = set()

    @property
    def asked(self) -> bool:
        """Whether the load is to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """End it: every `limit` runs out now, every `pause` is over."""
        self._asked.set()
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(0)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncGenerator[None, None]:
        """Give what is inside so much time.

        Raises:
            TimeoutError: That was not enough, or the load ends: `asked` tells which.
        """
        async with asyncio.timeout(0 if self.asked else seconds) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the end of the load."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), max(0.0, seconds))
