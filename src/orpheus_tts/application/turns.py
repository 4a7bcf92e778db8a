"""Turns at the engine: how many chunks are generated at once over all requests, and who is next."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

# First chunks served in a row while later ones wait. Whoever has heard nothing waits in silence, whoever has heard the
# first chunk has seconds of it left; but no stream of newcomers may stop the speech of others for good.
FIRSTS_IN_A_ROW = 4

_Waiter = asyncio.Future[None]


class Turns:
    """Hands out a fixed number of places. Belongs to one event loop.

    First chunks come before later ones, first come first served, though no more than `FIRSTS_IN_A_ROW` of them while
    later ones wait. Later chunks are served by request in turn, and those of one request in the order they asked: a
    long text takes a place no oftener than any other. So everybody's turn comes. Coming and going take O(1).

    Args:
        places: How many hold one at once, at least 1.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._firsts_in_a_row = 0
        self._first: OrderedDict[_Waiter, None] = OrderedDict()
        # By request, the next one at the front; a request without waiters has no queue.
        self._later: OrderedDict[object, OrderedDict[_Waiter, None]] = OrderedDict()

    @asynccontextmanager
    async def take(self, request: object, *, first: bool) -> AsyncGenerator[None, None]:
        """Wait for one's turn and hold a place for the block; both may be cancelled.

        Args:
            request: Whose chunk it is; hashable, and equal for chunks of one request only.
            first: Whether nothing of the request can be heard before it.
        """
        if self._free:  # then nobody waits
            self._free -= 1
        else:
            await self._wait(request, first=first)
        try:
            yield
        finally:
            self._hand_on()

    async def _wait(self, request: object, *, first: bool) -> None:
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        queue = self._first if first else self._later.setdefault(request, OrderedDict())
        queue[waiter] = None
        try:
            await waiter
        except asyncio.CancelledError:
            queue.pop(waiter, None)
            if self._later.get(request) is queue and not queue:
                del self._later[request]
            if not waiter.cancelled():  # the turn came, but too late
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        """Give one place to whoever is next; without anybody it is free."""
        waiter = self._next()
        if waiter is None:
            self._free += 1
        else:
            waiter.set_result(None)

    def _next(self) -> _Waiter | None:
        """Take the next waiter out of the queues."""
        if not self._later:
            self._firsts_in_a_row = 0
        if self._firsts_in_a_row < FIRSTS_IN_A_ROW and (waiter := _next_of(self._first)):
            self._firsts_in_a_row += 1
            return waiter
        self._firsts_in_a_row = 0
        while self._later:
            request, queue = self._later.popitem(last=False)
            waiter = _next_of(queue)
            if queue:
                self._later[request] = queue  # behind all others
            if waiter is not None:
                return waiter
        return _next_of(self._first)


def _next_of(queue: OrderedDict[_Waiter, None]) -> _Waiter | None:
    """Take the first waiter out of a queue; those whose tasks are being cancelled are passed over."""
    while queue:
        waiter, _ = queue.popitem(last=False)
        if not waiter.cancelled():
            return waiter
    return None
