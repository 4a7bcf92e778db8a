"""What every `AudioDecoder` must do, as tests."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, SAMPLES_PER_FRAME
from orpheus_tts.ports.audio_decoder import AudioDecoder, PartDecoder


class AudioDecoderContract(ABC):
    """Subclass it, give it a `decoder`, and run its `test_*` methods.

    Attributes:
        disposable: Whether `decoder` makes a new one each time, which the tests may close.
        tolerance: Largest difference between equal samples; batched floating-point sums differ a little.
    """

    disposable = True
    tolerance = 1e-5

    @abstractmethod
    def decoder(self) -> AbstractAsyncContextManager[AudioDecoder]:
        """A decoder that is ready."""

    async def frames(self, decoder: AudioDecoder, count: int) -> NDArray[np.int64]:  # noqa: ARG002 - for overriding
        """Frames that the decoder knows, shape (count, 7); a codec knows any."""
        return np.random.default_rng(count).integers(0, CODEBOOK_SIZE, (count, CODES_PER_FRAME))

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run one test to its end."""
        asyncio.run(test)

    def assert_equal(self, expected: NDArray[np.float32], actual: NDArray[np.float32]) -> None:
        """Same shape, same samples within the tolerance."""
        assert expected.shape == actual.shape
        assert np.max(np.abs(expected - actual), initial=0.0) <= self.tolerance

    def test_a_frame_is_2048_samples(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                for count in (1, 2, 5):
                    samples = await decoder.decode(await self.frames(decoder, count))
                    assert samples.shape == (count * SAMPLES_PER_FRAME,)
                    assert samples.dtype == np.float32
                    assert np.isfinite(samples).all()

        self.run(test())

    def test_the_same_frames_at_the_same_position_give_the_same_samples(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                frames = await self.frames(decoder, 6)
                for position in (0, 3, 40_000):
                    first = await decoder.decode(frames, position=position)
                    self.assert_equal(first, await decoder.decode(frames, position=position))

        self.run(test())

    def test_a_window_equals_the_whole_where_its_context_is_complete(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                reach = decoder.receptive_field
                context = -(-reach // SAMPLES_PER_FRAME)
                count = 2 * context + 6
                frames = await self.frames(decoder, count)
                whole = await decoder.decode(frames)
                for start, stop in ((0, context + 2), (2, count - 1), (count - context - 2, count)):
                    window = await decoder.decode(frames[start:stop], position=start)
                    low = 0 if start == 0 else reach
                    high = window.size if stop == count else window.size - reach
                    offset = start * SAMPLES_PER_FRAME
                    self.assert_equal(whole[offset + low : offset + high], window[low:high])

        self.run(test())

    def test_a_part_is_what_the_window_has_there(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                if not isinstance(decoder, PartDecoder):
                    return
                frames = await self.frames(decoder, 8)
                size = len(frames) * SAMPLES_PER_FRAME
                for position in (0, 40_000):
                    window = await decoder.decode(frames, position=position)
                    for keep_from, keep_to in ((0, size), (0, 1), (size - 1, size), (5_000, 9_000)):
                        part = await decoder.decode_part(
                            frames, position=position, keep_from=keep_from, keep_to=keep_to
                        )
                        self.assert_equal(window[keep_from:keep_to], part)

        self.run(test())

    def test_concurrent_decodes_equal_single_ones(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                windows = [
                    (await self.frames(decoder, count), position) for count, position in ((3, 0), (3, 9), (5, 2))
                ]
                alone = [await decoder.decode(frames, position=position) for frames, position in windows]
                together = await asyncio.gather(
                    *(decoder.decode(frames, position=position) for frames, position in windows)
                )
                for expected, actual in zip(alone, together, strict=True):
                    self.assert_equal(expected, actual)

        self.run(test())

    def test_the_frames_belong_to_the_caller(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                frames = await self.frames(decoder, 4)
                kept = frames.copy()
                expected = await decoder.decode(frames)
                assert np.array_equal(kept, frames)
                pending = asyncio.ensure_future(decoder.decode(frames))
                await asyncio.sleep(0)
                frames[:] = 0
                self.assert_equal(expected, await pending)

        self.run(test())

    def test_a_cancelled_decode_harms_no_other(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                frames = await self.frames(decoder, 4)
                expected = await decoder.decode(frames)
                tasks = [asyncio.ensure_future(decoder.decode(frames)) for _ in range(3)]
                await asyncio.sleep(0)
                tasks[1].cancel()
                self.assert_equal(expected, await tasks[0])
                self.assert_equal(expected, await tasks[2])

        self.run(test())

    def test_a_closed_decoder_refuses(self) -> None:
        async def test() -> None:
            async with self.decoder() as decoder:
                if not self.disposable:
                    return
                frames = await self.frames(decoder, 1)
                await decoder.aclose()
                await decoder.aclose()
                try:
                    await decoder.decode(frames)
                except DecoderError:
                    return
                raise AssertionError("A closed decoder must raise DecoderError.")

        self.run(test())
