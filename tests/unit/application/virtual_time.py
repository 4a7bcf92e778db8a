"""Time that passes only when everybody waits: an hour of waiting takes no time at all."""

import asyncio


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__()
        self._now = 0.0
        self._really_select = self._selector.select
        self._selector.select = self._select

    def time(self):
        return self._now

    def _select(self, timeout):
        if timeout is None:
            return self._really_select(None)
        ready = self._really_select(0)
        if not ready:
            self._now += timeout
        return ready


def run(coroutine):
    """As `asyncio.run`, in virtual time, which begins at 0."""
    with asyncio.Runner(loop_factory=_VirtualTimeLoop) as runner:
        return runner.run(coroutine)


def now():
    """Seconds since the loop began."""
    return asyncio.get_running_loop().time()
