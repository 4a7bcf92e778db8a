from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME
from orpheus_tts.domain.windows import WindowPlanner

SNAC = 4757


def codec(frames: np.ndarray, reach: int) -> np.ndarray:
    """A codec with exactly this receptive field: every sample is a sum over its neighbourhood."""
    signal = np.repeat(frames, SAMPLES_PER_FRAME).astype(np.float64)
    sums = np.concatenate(([0.0], np.cumsum(np.pad(signal, reach))))
    return sums[2 * reach + 1 :] - sums[: signal.size]


arrivals = st.lists(st.integers(1, 40), max_size=12)
reaches = st.sampled_from([0, 1, 100, 2047, 2048, 2049, SNAC, 10_000])


@given(arrivals, reaches)
@example([1], SNAC)
@example([2, 1], SNAC)
@example([1] * 12, SNAC)
def test_the_streamed_decode_equals_the_whole(arrivals, reach):
    frames = np.random.default_rng(len(arrivals)).integers(0, 100, sum(arrivals))
    planner, out, arrived = WindowPlanner(reach), [], 0
    for index, count in enumerate([*arrivals, 0]):
        arrived += count
        while window := planner.next(arrived, ended=index == len(arrivals)):
            decoded = codec(frames[window.start : window.stop], reach)
            out.append(decoded[window.keep_from : window.keep_to])
            assert out[-1].size
    streamed = np.concatenate(out) if out else np.empty(0)
    assert np.array_equal(codec(frames, reach), streamed)


@given(arrivals, arrivals, reaches)
def test_the_windows_do_not_depend_on_when_frames_come(some, others, reach):
    total = sum(some) + sum(others)

    def windows(counts):
        planner, planned, arrived = WindowPlanner(reach), [], 0
        for count in [*counts, 0]:
            arrived += count
            while window := planner.next(arrived):
                planned.append(window)
        while window := planner.next(arrived, ended=True):
            planned.append(window)
        return planned

    assert windows([*some, *others]) == windows([total]) == windows([1] * total)


def test_the_first_block_leaves_after_three_frames_of_snac():
    planner = WindowPlanner(SNAC)
    assert planner.next(2) is None
    window = planner.next(3)
    assert (window.start, window.stop, window.keep_from, window.keep_to) == (0, 3, 0, 3 * 2048 - SNAC)


@given(reaches, st.integers(1, 400))
def test_frame_by_frame_little_is_decoded_twice(reach, count):
    planner, decoded = WindowPlanner(reach), 0
    for frames in range(1, count + 1):
        while window := planner.next(frames, ended=frames == count):
            decoded += window.stop - window.start
    context = 2 * reach / SAMPLES_PER_FRAME + 2
    windows = 14 + count / 8
    assert decoded <= count + windows * context


@given(reaches, st.integers(1, 50))
def test_hops_grow_only_up_to_the_limit(reach, count):
    planner = WindowPlanner(reach, max_hop=4 * SAMPLES_PER_FRAME)
    for frames in range(1, 200):
        window = planner.next(frames)
        if window:
            assert window.keep_to - window.keep_from < 5 * SAMPLES_PER_FRAME + reach
    assert planner.emitted >= 190 * SAMPLES_PER_FRAME - reach


@given(reaches, st.integers(0, 200_000))
def test_samples_depend_on_no_more_frames_than_said(reach, samples):
    planner = WindowPlanner(reach)
    needed = planner.frames_needed(samples)
    assert planner.final_samples(needed) >= samples
    assert needed == 0 or planner.final_samples(needed - 1) < samples


@given(reaches, st.integers(4, 60), st.data())
def test_after_a_rewind_the_new_frames_decode_exactly(reach, count, data):
    kept = data.draw(st.integers(0, count))
    random = np.random.default_rng(count)
    old = random.integers(0, 100, count)
    new = np.concatenate((old[:kept], random.integers(0, 100, 20)))
    planner, out = WindowPlanner(reach), np.empty(0)
    while window := planner.next(count):
        out = np.concatenate((out, codec(old[: window.stop][window.start :], reach)[window.keep_from : window.keep_to]))
    samples = min(out.size, planner.final_samples(kept))
    planner.rewind(samples)
    out = out[:samples]
    while window := planner.next(new.size, ended=True):
        decoded = codec(new[window.start : window.stop], reach)
        out = np.concatenate((out, decoded[window.keep_from : window.keep_to]))
    assert np.array_equal(codec(new, reach), out)


@pytest.mark.parametrize("least_hop", [1, 8 * SAMPLES_PER_FRAME, 40 * SAMPLES_PER_FRAME])
def test_the_least_hop_can_be_larger(least_hop):
    planner = WindowPlanner(SNAC, least_hop=least_hop)
    windows = [window for frames in range(1, 200) if (window := planner.next(frames))]
    assert least_hop <= windows[0].keep_to < least_hop + SAMPLES_PER_FRAME
    assert all(window.keep_to - window.keep_from >= least_hop for window in windows)


def lateness(planned, pace):
    """How many samples' time a listener who starts with the first block waits for later ones, all in all.

    Args:
        planned: The blocks in order: the frame after which each comes, and how many samples are out with it.
        pace: How many samples the engine makes while one is heard. Decoding takes no time.
    """
    started = planned[0][0] * SAMPLES_PER_FRAME / pace
    heard = [0, *(emitted for _, emitted in planned)]
    return max(
        max(Fraction(0), frames * SAMPLES_PER_FRAME / pace - started - before)
        for (frames, _), before in zip(planned, heard, strict=False)
    )


def schedule(reach, count, **hops):
    planner, planned = WindowPlanner(reach, **hops), []
    for frames in range(1, count + 1):
        while planner.next(frames):
            planned.append((frames, planner.emitted))
    return planned


paces = st.fractions(Fraction(1), Fraction(4), max_denominator=100)


@given(reaches, st.integers(8, 400), paces)
@example(SNAC, 117, Fraction(5, 4))
@example(2048, 117, Fraction(5, 4))
def test_an_engine_a_quarter_faster_than_real_time_never_keeps_a_listener_waiting_for_a_block_to_fill(
    reach, count, pace
):
    frame_by_frame = schedule(reach, count, max_hop=SAMPLES_PER_FRAME)
    late = lateness(schedule(reach, count), max(pace, Fraction(5, 4)))
    assert lateness(frame_by_frame, max(pace, Fraction(5, 4))) == late
    assert late < SAMPLES_PER_FRAME


@given(reaches, st.integers(8, 400), paces)
@example(SNAC, 400, Fraction(1))
def test_an_engine_that_just_keeps_up_keeps_a_listener_waiting_for_less_than_the_largest_hop(reach, count, pace):
    assert lateness(schedule(reach, count), pace) < 8 * SAMPLES_PER_FRAME


def test_ten_seconds_of_snac_take_as_many_blocks_as_counted():
    assert 22 == len(schedule(SNAC, 117))


@given(reaches, st.integers(1, 60))
def test_blocks_do_not_grow_while_nothing_is_heard(reach, count):
    planner, waited = WindowPlanner(reach), []
    for frames in range(1, count + 1):
        while planner.next(frames):
            planner.nothing_heard()
            waited.append(frames)
    assert list(range(waited[0], count + 1)) == waited if waited else count * SAMPLES_PER_FRAME <= reach
