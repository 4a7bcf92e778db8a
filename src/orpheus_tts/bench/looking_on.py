"""What is seen while a load runs: one line that changes on a terminal, a line now and then elsewhere."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

import numpy as np
from rich.console import Console
from rich.live import Live as Display
from rich.text import Text

from orpheus_tts.bench.load import Live, Load
from orpheus_tts.bench.measuring import Step
from orpheus_tts.bench.tables import summary_line

_SECONDS_ON_A_TERMINAL = 0.25
_SECONDS_ELSEWHERE = 5.0


class ConsoleOnlooker:
    """Writes to a console. An `Onlooker`."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @asynccontextmanager
    async def watching(self, load: Load, live: Live) -> AsyncGenerator[None, None]:
        """See `Onlooker`."""
        # Refreshed from the event loop: a thread of its own would fight with it for the interpreter.
        display = Display(console=self._console, auto_refresh=False, transient=True)
        with display if self._console.is_terminal else nullcontext():
            task = asyncio.create_task(self._look(load, live, display))
            try:
                yield
            finally:
                task.cancel()

    def ended(self, step: Step) -> None:
        """See `Onlooker`."""
        self._console.print(summary_line(step), highlight=False, markup=False)

    async def _look(self, load: Load, live: Live, display: Display) -> None:
        terminal = self._console.is_terminal
        while True:
            await asyncio.sleep(_SECONDS_ON_A_TERMINAL if terminal else _SECONDS_ELSEWHERE)
            if terminal:
                display.update(Text(_line(load, live), overflow="ellipsis", no_wrap=True), refresh=True)
            else:
                self._console.print(_line(load, live), highlight=False, markup=False)


def _line(load: Load, live: Live) -> str:
    first = f"{1000 * float(np.median(live.first_audio)):.0f} ms" if live.first_audio else "-"
    return (
        f"{load.name}, {live.elapsed:.0f} s: {live.running} running, {live.done} done, "
        f"{live.audio / live.elapsed:.1f} s of audio/s, TTFA p50 {first}, {live.errors} errors"
    )
