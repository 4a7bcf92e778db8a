"""The `AudioDecoder` made of SNAC: loads the network, batches concurrent calls, keeps long decodes small."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.adapters.snac.batching import BatchLimits, MicroBatcher
from orpheus_tts.adapters.snac.memory import FittingPasses
from orpheus_tts.adapters.snac.window import Window, checked, pieces
from orpheus_tts.domain.errors import BackendUnavailableError, DecoderError
from orpheus_tts.domain.tokens import CODES_PER_FRAME
from orpheus_tts.domain.windows import WindowPlanner

if TYPE_CHECKING:
    from orpheus_tts.adapters.snac.network import SnacNetwork
    from orpheus_tts.ports import AudioDecoder, BatchTeller, PartDecoder, WarmUp

DEFAULT_MODEL = "hubertsiuzdak/snac_24khz"

# A frame's widest activation is 64 channels * 2048 samples * 4 bytes = 512 KiB, and about four of them live at a time.
# On the CPU, glibc hands out blocks of 32 MiB and more as fresh pages, zeroed by page faults that then take a third of
# the time: 48 frames (24 MiB) stay well below, and 42 of them are new where a long decode is cut. On an accelerator,
# 512 frames keep the peak near 1 GiB, beside an engine that has taken what it wanted.
_CPU_FRAMES = 48
_ACCELERATOR_FRAMES = 512
# A small batch on an accelerator costs its launches, not its arithmetic, so padding is nearly free; on a CPU it is not:
# eight windows of one to eight new frames cost three times as much together as alone. Eight equal ones of one new frame
# cost a third less, as they read the weights once.
_ACCELERATOR_PADDING = 0.5
# Of a stream, for warming up: six windows, whose new frames grow from 0.7 to two.
_FIRST_FRAMES = 9


class SnacDecoder:
    """SNAC behind the `AudioDecoder` port. One event loop at a time; made before any loop runs.

    The noise that SNAC mixes in is a function of the position, so the same frames at the same position give the same
    samples, and windows equal the whole where the port says so. Windows of concurrent calls share a pass through the
    network; passes run one at a time in a thread. A decode of any length runs in bounded memory, in pieces between
    which others get their turn. On the CPU a pass uses as many threads as torch is set to (`OMP_NUM_THREADS`).

    Args:
        model: A folder that holds `config.json` and `pytorch_model.bin`, or the id of a repository on the hub.
        device: `auto` (the first CUDA device, else the CPU), `cpu`, `cuda`, `cuda:N` or `mps`.
        max_batch_size: Most windows in one pass.
        batch_timeout: Most seconds that a window waits for company when nothing else is being decoded; a lone caller
            never waits.
        executor: Where passes run, left running at the end; None for a thread of its own.

    Raises:
        BackendUnavailableError: torch or snac are not installed, the model cannot be loaded or is not the 24 kHz one,
            or there is no such device.
        ValueError: `max_batch_size` is below 1 or `batch_timeout` negative.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        device: str = "auto",
        max_batch_size: int = 32,
        batch_timeout: float = 0.002,
        executor: Executor | None = None,
    ) -> None:
        if max_batch_size < 1 or not batch_timeout >= 0:
            raise ValueError(
                f"max_batch_size must be at least 1 and batch_timeout at least 0 s, not {max_batch_size} and "
                f"{batch_timeout}."
            )
        network, on_cpu = _load(model, device)
        self._receptive_field = network.receptive_field
        self._longest = _CPU_FRAMES if on_cpu else _ACCELERATOR_FRAMES
        self._own_executor: Executor | None = None
        if executor is None:
            executor = self._own_executor = ThreadPoolExecutor(1, thread_name_prefix="snac")
        self._batcher: MicroBatcher[Window, NDArray[np.float32]] | None = MicroBatcher(
            FittingPasses(network.decode, network.release_memory, most=max_batch_size),
            executor,
            limits=BatchLimits(
                items=max_batch_size, length=self._longest, padding=0.0 if on_cpu else _ACCELERATOR_PADDING
            ),
            timeout=batch_timeout,
        )

    @property
    def receptive_field(self) -> int:
        """As the port says, in samples; 4,757 for the 24 kHz model."""
        return self._receptive_field

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:
        """Decode consecutive frames of one utterance, as the port says.

        Raises:
            DecoderOutOfMemoryError: There was not enough memory even for one window by itself.
            DecoderError: The frames are not integers of shape (n, 7) in 0..4095 with n at least 1, the position is
                negative, the network failed, or the decoder is closed.
        """
        return await self._decode(checked(frames, position))

    async def decode_part(
        self, frames: NDArray[np.integer[Any]], *, position: int, keep_from: int, keep_to: int
    ) -> NDArray[np.float32]:
        """Decode what these samples of the window depend on, and no more; see `PartDecoder`.

        Raises:
            DecoderError: As of `decode`, or the window has no such samples.
        """
        return await self._decode(checked(frames, position, keep_from, keep_to))

    async def _decode(self, window: Window) -> NDArray[np.float32]:
        batcher = self._batcher
        if batcher is None:
            raise DecoderError("The decoder is closed.")
        samples = [await batcher.submit(piece) for piece in pieces(window, self._longest, self._receptive_field)]
        return samples[0] if len(samples) == 1 else np.concatenate(samples)

    def tell_batches(self, listener: Callable[[int], None]) -> None:
        """Tell of each pass how many windows it decodes; see `BatchTeller`."""
        if self._batcher is not None:
            self._batcher.listener = listener

    async def warm_up(self) -> None:
        """Decode the largest window there can be, then the first ones of a stream.

        So that a device's libraries are loaded, for the sizes that first requests ask for, and its memory is known to
        suffice.

        Raises:
            DecoderError: The device has not enough memory, or the network failed otherwise.
        """
        frames = np.zeros((self._longest, CODES_PER_FRAME), dtype=np.int64)
        await self.decode(frames)
        planner = WindowPlanner(self._receptive_field)
        parts = [
            partial(
                self.decode_part,
                frames[window.start : window.stop],
                position=window.start,
                keep_from=window.keep_from,
                keep_to=window.keep_to,
            )
            for window in iter(partial(planner.next, _FIRST_FRAMES), None)
        ]
        await parts[0]()
        await asyncio.gather(*(part() for part in parts))

    async def aclose(self) -> None:
        """Release the network and its thread. A pass under way is finished; waiting calls end with `DecoderError`."""
        batcher, self._batcher = self._batcher, None
        if batcher is not None:
            await batcher.aclose()
        if self._own_executor is not None:
            self._own_executor.shutdown(wait=False)


def check_snac(model: str, device: str) -> None:
    """Check that a `SnacDecoder` can be made of this; takes seconds, and memory only while it lasts.

    Raises:
        BackendUnavailableError: As of `SnacDecoder`.
    """
    _load_parts(model, device)


def _load(model: str, device: str) -> "tuple[SnacNetwork, bool]":
    """The network, and whether it runs on the CPU."""
    snac, place = _load_parts(model, device)
    from orpheus_tts.adapters.snac.network import SnacNetwork  # noqa: PLC0415 - known to import by now

    return SnacNetwork(snac, place), place.type == "cpu"


def _load_parts(model: str, device: str) -> tuple[Any, Any]:
    """The original model, on the CPU, and the device."""
    try:
        from orpheus_tts.adapters.snac.checkpoint import load_snac  # noqa: PLC0415 - needs the extra
        from orpheus_tts.adapters.snac.device import find_device  # noqa: PLC0415
    except ImportError as error:
        raise BackendUnavailableError(
            f"SNAC cannot run here: {error}. Install it with: pip install 'orpheus-tts[vllm]'"
        ) from error
    place = find_device(device)
    return load_snac(model), place


if TYPE_CHECKING:
    _: AudioDecoder = SnacDecoder()
    _teller: BatchTeller = SnacDecoder()
    _parts: PartDecoder = SnacDecoder()
    _warm: WarmUp = SnacDecoder()
