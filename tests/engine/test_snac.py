"""Real SNAC with the real 24 kHz configuration and random weights."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from snac import SNAC
from snac.layers import DecoderBlock, NoiseBlock
from snac_checkpoint import make_snac_checkpoint

from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.adapters.snac.checkpoint import load_snac
from orpheus_tts.adapters.snac.memory import FittingPasses
from orpheus_tts.adapters.snac.network import SnacNetwork
from orpheus_tts.adapters.snac.noise import PERIOD_FRAMES, noise_table
from orpheus_tts.adapters.snac.window import checked
from orpheus_tts.domain.errors import DecoderError, is_out_of_memory
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, SAMPLES_PER_FRAME, codebooks
from orpheus_tts.domain.windows import WindowPlanner
from orpheus_tts.testing import AudioDecoderContract

REACH = 4757  # samples; measured on the original, see below
TOLERANCE = 1e-5
COUNT = 14  # frames of the utterance that most tests cut windows from

few_examples = settings(max_examples=12, deadline=None)


def random_frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, CODEBOOK_SIZE, (count, 7))


def assert_equal(expected, actual):
    assert expected.shape == actual.shape
    assert np.abs(expected - actual).max() <= TOLERANCE


@pytest.fixture(scope="session")
def decoder(snac_folder):
    decoder = SnacDecoder(str(snac_folder), device="cpu")
    yield decoder
    asyncio.run(decoder.aclose())


@pytest.fixture(scope="session")
def network(snac_folder):
    return SnacNetwork(load_snac(str(snac_folder)), torch.device("cpu"))


@pytest.fixture(scope="session")
def whole(network):
    """The samples of `random_frames(COUNT)`, decoded in one pass."""
    return network.decode([checked(random_frames(COUNT), 0)])[0]


class TestContract(AudioDecoderContract):
    @pytest.fixture(autouse=True)
    def folder(self, snac_folder):
        self._folder = snac_folder

    @asynccontextmanager
    async def decoder(self):
        decoder = SnacDecoder(str(self._folder), device="cpu")
        try:
            yield decoder
        finally:
            await decoder.aclose()


class FixedNoise(torch.nn.Module):
    """The original's noise layer, given its noise."""

    def __init__(self, linear, noise):
        super().__init__()
        self.linear = linear
        self.noise = torch.from_numpy(noise)

    def forward(self, x):
        return x + self.noise[: x.shape[-1]] * self.linear(x)


def original(folder, position=0):
    """The package's own model with the noise that an utterance has from that position on."""
    model = SNAC.from_pretrained(str(folder))
    blocks = [block for block in model.decoder.model if isinstance(block, DecoderBlock)]
    for layer, (block, steps) in enumerate(zip(blocks, (32, 256, 1024, 2048), strict=True)):
        for index, module in enumerate(block.block):
            if isinstance(module, NoiseBlock):
                noise = np.roll(noise_table(layer, steps), -position * steps)
                block.block[index] = FixedNoise(module.linear, noise)
    return model


def original_samples(model, frames):
    with torch.inference_mode():
        return model.decode([torch.from_numpy(book)[None] for book in codebooks(frames)])[0, 0].numpy()


@pytest.mark.parametrize("position", [0, 5, PERIOD_FRAMES - 2])
async def test_samples_are_those_of_the_original_with_the_same_noise(snac_folder, decoder, position):
    frames = random_frames(6)
    expected = original_samples(original(snac_folder, position), frames)
    assert_equal(expected, await decoder.decode(frames, position=position))


async def test_without_noise_layers_samples_are_those_of_the_original_at_any_position(tmp_path):
    folder = make_snac_checkpoint(tmp_path, noise=False)
    frames = random_frames(4)
    expected = original_samples(SNAC.from_pretrained(str(folder)), frames)
    decoder = SnacDecoder(str(folder), device="cpu")
    for position in (0, 77):
        assert_equal(expected, await decoder.decode(frames, position=position))
    await decoder.aclose()


async def test_noise_depends_on_the_position(decoder, whole):
    moved = await decoder.decode(random_frames(COUNT), position=1)
    assert np.abs(whole - moved).max() > 0.1


async def test_an_hour_into_an_utterance_is_as_good_as_its_start(decoder):
    hour = 3600 * 24_000 // SAMPLES_PER_FRAME
    frames = random_frames(2)
    assert_equal(
        await decoder.decode(frames, position=hour % PERIOD_FRAMES), await decoder.decode(frames, position=hour)
    )
    assert np.isfinite(await decoder.decode(frames, position=10**30)).all()


@pytest.mark.parametrize(
    "changes",
    [{}, {"decoder_rates": [4, 4, 8, 4]}, {"decoder_rates": [8, 8, 8], "decoder_dim": 256, "depthwise": False}],
)
def test_the_receptive_field_is_what_a_changed_frame_changes(tmp_path, changes):
    # In double precision, because the outermost samples change by less than a float can show.
    folder = make_snac_checkpoint(tmp_path, noise=False, **changes)
    model = SNAC.from_pretrained(str(folder)).double()
    frames = random_frames(15)
    changed_frames = frames.copy()
    changed_frames[7] = (changed_frames[7] + 1000) % CODEBOOK_SIZE
    changed = np.flatnonzero(original_samples(model, frames) != original_samples(model, changed_frames))
    reach = SnacDecoder(str(folder), device="cpu").receptive_field
    assert 7 * SAMPLES_PER_FRAME - reach == changed[0]
    assert 8 * SAMPLES_PER_FRAME - 1 + reach == changed[-1]


def test_the_receptive_field_of_the_24_khz_model_is_as_measured(decoder):
    assert decoder.receptive_field == REACH


@few_examples
@example(0, COUNT)
@example(0, 1)
@example(COUNT - 1, COUNT)
@example(4, 9)
@given(st.integers(0, COUNT - 1), st.integers(1, COUNT))
async def test_a_window_equals_the_whole_where_its_context_is_complete(decoder, whole, first, second):
    start, stop = min(first, second), max(first + 1, second)
    window = await decoder.decode(random_frames(COUNT)[start:stop], position=start)
    low = 0 if start == 0 else REACH
    high = window.size - (0 if stop == COUNT else REACH)
    if low < high:
        offset = start * SAMPLES_PER_FRAME
        assert_equal(whole[offset + low : offset + high], window[low:high])


@few_examples
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(1, 8 * SAMPLES_PER_FRAME))
async def test_a_stream_of_planned_windows_equals_the_whole(decoder, whole, arrivals, max_hop):
    planner = WindowPlanner(decoder.receptive_field, max_hop=max_hop)
    frames = random_frames(COUNT)
    blocks = []
    for count in sorted({min(total, COUNT) for total in np.cumsum(arrivals)} | {COUNT}):
        while window := planner.next(int(count), ended=count == COUNT):
            part = {"position": window.start, "keep_from": window.keep_from, "keep_to": window.keep_to}
            blocks.append(await decoder.decode_part(frames[window.start : window.stop], **part))
    assert_equal(whole, np.concatenate(blocks))


@few_examples
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, COUNT - 6)), min_size=1, max_size=5))
def test_a_pass_over_windows_of_many_lengths_equals_single_ones(network, windows):
    frames = random_frames(COUNT)
    batch = [checked(frames[start : start + count], start) for count, start in windows]
    for window, samples in zip(batch, network.decode(batch), strict=True):
        assert_equal(network.decode([window])[0], samples)


async def test_32_callers_at_once_get_what_each_would_alone(decoder):
    windows = [(random_frames(1 + index % 3, seed=index), index * 20) for index in range(32)]
    alone = [await decoder.decode(frames, position=position) for frames, position in windows]
    together = await asyncio.gather(*(decoder.decode(frames, position=position) for frames, position in windows))
    for expected, actual in zip(alone, together, strict=True):
        assert_equal(expected, actual)


async def test_a_long_utterance_decoded_in_pieces_equals_one_pass(decoder, network):
    frames = random_frames(75)
    (expected,) = network.decode([checked(frames, 3)])
    assert_equal(expected, await decoder.decode(frames, position=3))


async def test_two_decoders_give_the_same_samples(decoder, snac_folder, whole):
    other = SnacDecoder(str(snac_folder), device="cpu")
    assert_equal(whole, await other.decode(random_frames(COUNT)))
    await other.aclose()


async def test_codes_at_both_ends_of_the_range_are_valid(decoder):
    for code in (0, CODEBOOK_SIZE - 1):
        assert np.isfinite(await decoder.decode(np.full((1, 7), code))).all()


@pytest.mark.parametrize(
    ("frames", "position"),
    [(np.full((1, 7), 4096), 0), (np.full((1, 7), -1), 0), (np.zeros((1, 6), int), 0), (random_frames(1), -1)],
)
async def test_what_is_no_frames_is_refused(decoder, frames, position):
    with pytest.raises(DecoderError):
        await decoder.decode(frames, position=position)


async def test_the_event_loop_goes_on_during_a_decode(decoder):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticker = asyncio.create_task(tick())
    await decoder.decode(random_frames(40))
    ticker.cancel()
    assert ticks >= 10


async def test_a_short_decode_need_not_wait_for_the_end_of_a_long_one(decoder):
    long = asyncio.ensure_future(decoder.decode(random_frames(130)))
    await asyncio.sleep(0)
    await decoder.decode(random_frames(1))
    assert not long.done()
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    await decoder.decode(random_frames(1))


async def test_warming_up_decodes_and_leaves_the_decoder_ready(snac_folder, whole):
    decoder = SnacDecoder(str(snac_folder), device="cpu")
    windows = []
    decoder.tell_batches(windows.append)
    await decoder.warm_up()
    assert 1 + 1 + 6 == sum(windows)  # the largest, the first of a stream, and the first six at once
    assert_equal(whole, await decoder.decode(random_frames(COUNT)))
    await decoder.aclose()
    with pytest.raises(DecoderError, match="closed"):
        await decoder.warm_up()


async def test_a_given_executor_is_used_and_left_running(snac_folder):
    with ThreadPoolExecutor(1) as executor:
        decoder = SnacDecoder(str(snac_folder), device="cpu", executor=executor)
        await decoder.decode(random_frames(1))
        await decoder.aclose()
        assert executor.submit(int, "1").result() == 1
    other = SnacDecoder(str(snac_folder), device="cpu", executor=executor)
    with pytest.raises(DecoderError, match="shutdown"):
        await other.decode(random_frames(1))


def test_one_decoder_serves_one_loop_after_another(decoder):
    first, second = (asyncio.run(decoder.decode(random_frames(1))) for _ in range(2))
    assert_equal(first, second)


@pytest.mark.parametrize("arguments", [{"max_batch_size": 0}, {"batch_timeout": -0.1}, {"batch_timeout": float("nan")}])
def test_impossible_batching_is_refused(snac_folder, arguments):
    with pytest.raises(ValueError, match="batch"):
        SnacDecoder(str(snac_folder), device="cpu", **arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
async def test_a_gpu_gives_the_samples_of_the_cpu(snac_folder, whole):
    decoder = SnacDecoder(str(snac_folder), device="cuda")
    await decoder.warm_up()
    windows = [random_frames(COUNT)[:stop] for stop in (COUNT, COUNT - 3, COUNT)]
    for samples, frames in zip(await asyncio.gather(*map(decoder.decode, windows)), windows, strict=True):
        final = len(samples) - (0 if len(frames) == COUNT else REACH)
        assert np.abs(whole[:final] - samples[:final]).max() < 1e-4
    await decoder.aclose()


@pytest.mark.parametrize("of_cuda", [True, False])
def test_what_torch_raises_for_want_of_memory_is_understood(of_cuda):
    with pytest.raises(RuntimeError) as raised:
        if of_cuda:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        torch.empty(2**60)
    assert is_out_of_memory(raised.value)


def test_a_pass_that_runs_out_of_memory_goes_on_in_smaller_ones(network):
    """Of windows of different lengths each is decoded as it would be by itself."""
    windows = [checked(random_frames(count, seed=count), position=7) for count in (2, 5, 3, 4, 2)]
    passes = []

    def scarce(batch):
        passes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return network.decode(batch)

    together = FittingPasses(scarce, network.release_memory, most=32)(windows)
    assert passes == [5, 2, 2, 1]
    for window, samples in zip(windows, together, strict=True):
        assert_equal(network.decode([window])[0], samples)
