"""What the repetition detector promises: silent on speech, certain on loops, exact about where they begin."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orpheus_tts.domain.errors import TokenLoopError
from orpheus_tts.domain.repetition import DEFAULT_POLICY, RepetitionDetector, RepetitionPolicy
from orpheus_tts.domain.silence import CoarseRun
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, TOKENS_PER_SECOND

LONGEST_PERIOD = 1_050
# The streams that false positives are measured on.
natural_stream = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "repetition_false_positives.py"))[
    "natural_stream"
]

rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
periods = st.integers(1, LONGEST_PERIOD // CODES_PER_FRAME).map(lambda frames: frames * CODES_PER_FRAME)
budgets = st.integers(1_000, 20_000)
prefixes = st.integers(0, 1_500)  # tokens
batches = st.lists(st.integers(1, 300), min_size=1, max_size=20)


def reported(codes, *, max_tokens=8_192, position=0, batches=(7,)):
    """The detector's error, and how many tokens had arrived with the batch in which it came; None if it never came."""
    detector = RepetitionDetector(max_tokens=max_tokens, position=position)
    start = turn = 0
    while start < len(codes):
        size = batches[turn % len(batches)]
        turn += 1
        try:
            detector.push(codes[start : start + size])
        except TokenLoopError as error:
            return error, start + size
        start += size
    return None


def verdict(found):
    error, _ = found
    return str(error), error.begin, error.period, error.good_tokens


def random_codes(rng, tokens):
    return rng.integers(0, CODEBOOK_SIZE, tokens)


def loop_after(rng, prefix, period, copies=6.0, least=600):
    """Random codes, then one random pattern again and again."""
    pattern = random_codes(rng, period)
    repeated = np.resize(pattern, max(int(period * copies), least))
    return np.concatenate((random_codes(rng, prefix), repeated))


def maximal_begin(codes, period, end):
    """By brute force: where the exact repetition that reaches to `end` began."""
    begin = end - period
    while begin > 0 and codes[begin - 1] == codes[begin - 1 + period]:
        begin -= 1
    return begin


@given(rng=rngs, tokens=st.integers(0, 8_192), batches=batches)
@settings(max_examples=30, deadline=None)
def test_random_codes_are_never_reported(rng, tokens, batches):
    assert reported(random_codes(rng, tokens), batches=batches) is None


@given(rng=rngs, tokens=st.integers(1, 8_192), max_tokens=budgets)
@settings(max_examples=60, deadline=None)
def test_speech_with_held_phones_repeated_words_pauses_and_chants_is_never_reported(rng, tokens, max_tokens):
    assert reported(natural_stream(rng, tokens), max_tokens=max_tokens) is None


@given(rng=rngs, period=periods, prefix=prefixes, max_tokens=budgets)
@example(rng=np.random.default_rng(0), period=7, prefix=0, max_tokens=8_192)
@example(rng=np.random.default_rng(0), period=LONGEST_PERIOD, prefix=3, max_tokens=8_192)
@example(rng=np.random.default_rng(0), period=LONGEST_PERIOD, prefix=1_500, max_tokens=1_000)
@settings(max_examples=80, deadline=None)
def test_an_exact_loop_is_reported_within_the_stated_repeats(rng, period, prefix, max_tokens):
    codes = loop_after(rng, prefix, period)
    _, seen = reported(codes, max_tokens=max_tokens)
    allowed = DEFAULT_POLICY.repeats_to_fire(period, prefix / max_tokens)
    assert seen - maximal_begin(codes, period, prefix + period) <= round(allowed * period)


@pytest.mark.parametrize("begin", [0, 3, 6])
@pytest.mark.parametrize("frames", [1, 2, 3, 6, 22, 23, 149, 150])
def test_the_stated_repeats_are_reached_where_thresholds_no_longer_fall(frames, begin):
    rng = np.random.default_rng(begin)
    period = frames * CODES_PER_FRAME
    _, seen = reported(loop_after(rng, 700 + begin, period), max_tokens=700)
    rest_of_frame = -begin % CODES_PER_FRAME
    worst_rest = CODES_PER_FRAME - 1
    stated = round(DEFAULT_POLICY.repeats_to_fire(period, 1.0) * period)
    assert stated - worst_rest + rest_of_frame == seen - (700 + begin)


@given(rng=rngs, period=periods, prefix=prefixes, batches=batches)
@settings(max_examples=100, deadline=None)
def test_an_exact_loop_is_located_to_the_token(rng, period, prefix, batches):
    codes = loop_after(rng, prefix, period)
    error, _ = reported(codes, batches=batches)
    begin = maximal_begin(codes, period, prefix + period)
    assert (begin, period) == (error.begin, error.period)
    assert (begin + period) // CODES_PER_FRAME * CODES_PER_FRAME == error.good_tokens


@given(rng=rngs, pattern=st.lists(st.integers(0, 3), min_size=2, max_size=60), prefix=st.integers(0, 500))
@example(rng=np.random.default_rng(0), pattern=[0] * 19 + [1], prefix=0)
@settings(max_examples=100, deadline=None)
def test_an_exact_loop_that_holds_most_frames_is_reported_as_soon(rng, pattern, prefix):
    frames = rng.integers(0, CODEBOOK_SIZE, (4, CODES_PER_FRAME))[pattern].reshape(-1)
    codes = np.concatenate((random_codes(rng, prefix), np.resize(frames, 8_000)))
    _, seen = reported(codes)
    allowed = DEFAULT_POLICY.repeats_to_fire(frames.size, prefix / 8_192) * frames.size
    assert seen - prefix <= round(allowed) + CODES_PER_FRAME


def varied_loop(rng, prefix, period, changes):
    """A loop in which every frame differs from its counterpart one copy earlier in up to two codes, finer ones first.

    `changes` is the chance of each of the two.
    """
    finest_first = np.array([2, 3, 5, 6, 1, 4, 0])
    weights = np.array([4, 4, 4, 4, 2, 2, 1]) / 21
    copy = random_codes(rng, period).reshape(-1, CODES_PER_FRAME)
    copies = [copy]
    for _ in range(max(6, 600 // period)):
        copy = copy.copy()
        for frame in copy:
            slots = rng.choice(finest_first, 2, replace=False, p=weights)[rng.random(2) < changes]
            frame[slots] = random_codes(rng, slots.size)
        copies.append(copy)
    return np.concatenate((random_codes(rng, prefix), np.concatenate(copies).reshape(-1)))


@given(
    rng=rngs,
    period=st.integers(2, 150).map(lambda frames: frames * CODES_PER_FRAME),
    prefix=st.integers(0, 200).map(lambda frames: frames * CODES_PER_FRAME),
    changes=st.sampled_from([0.3, 0.5, 1.0]),
)
@settings(max_examples=50, deadline=None)
def test_a_loop_that_varies_from_copy_to_copy_is_reported_within_the_stated_repeats(rng, period, prefix, changes):
    codes = varied_loop(rng, prefix, period, changes)
    error, seen = reported(codes)
    allowed = DEFAULT_POLICY.repeats_to_fire(period, prefix / 8_192)
    assert seen - prefix <= round(allowed * period)
    assert period == error.period
    assert prefix <= error.begin <= prefix + 4 * CODES_PER_FRAME


def test_a_loop_that_varies_in_15_percent_of_all_codes_is_reported_soon_after():
    rng = np.random.default_rng(0)
    for frames in (2, 5, 17, 40, 120):
        period = frames * CODES_PER_FRAME
        copies = [random_codes(rng, period)]
        for _ in range(max(6, 90 // frames)):
            copies.append(np.where(rng.random(period) < 0.15, random_codes(rng, period), copies[-1]))
        error, seen = reported(np.concatenate(copies))
        assert seen <= (DEFAULT_POLICY.repeats_to_fire(period) + 1) * period + 10 * CODES_PER_FRAME
        assert period == error.period


def test_a_loop_that_begins_long_after_the_history_has_been_renewed_is_located():
    rng = np.random.default_rng(0)
    codes = loop_after(rng, 30_002, 70)
    error, _ = reported(codes, max_tokens=65_536, batches=(400,))
    assert (30_002, 70) == (error.begin, error.period)


def test_a_loop_held_mostly_on_one_sound_that_varies_is_reported_once_enough_changes_have_been_repeated():
    rng = np.random.default_rng(0)
    sound, silence = rng.integers(0, CODEBOOK_SIZE, (2, CODES_PER_FRAME))
    copies = []
    for _ in range(60):
        onset = sound.copy()
        onset[rng.choice([2, 3, 5, 6])] = rng.integers(0, CODEBOOK_SIZE)
        copies.append(np.concatenate((onset, np.tile(silence, 13))))
    error, seen = reported(np.concatenate(copies))
    assert 14 * CODES_PER_FRAME == error.period
    # Each copy has two telling frames: onset and release. Six copies after the first have twelve.
    assert 6 * error.period <= seen <= 7 * error.period
    assert 0 == error.begin


def test_words_said_again_between_equal_pauses_are_no_loop():
    rng = np.random.default_rng(0)
    word, silence = rng.integers(0, CODEBOOK_SIZE, (2, CODES_PER_FRAME))
    utterances = []
    for _ in range(4):
        said = np.tile(word, (2, 1))
        said[:, [2, 3, 5, 6]] = rng.integers(0, CODEBOOK_SIZE, (2, 4))
        utterances.append(np.concatenate((said, np.tile(silence, (17, 1)))))
    codes = np.concatenate(utterances).reshape(-1)
    assert reported(codes, max_tokens=codes.size) is None


@given(rng=rngs, period=periods, prefix=prefixes, batches=batches, others=batches)
@settings(max_examples=60, deadline=None)
def test_the_verdict_does_not_depend_on_the_batches(rng, period, prefix, batches, others):
    codes = loop_after(rng, prefix, period)
    assert verdict(reported(codes, batches=batches)) == verdict(reported(codes, batches=others))


@given(rng=rngs, period=periods, frames=st.integers(0, 400))
@settings(max_examples=50, deadline=None)
def test_positions_count_from_where_the_attempt_resumes(rng, period, frames):
    codes = loop_after(rng, 10, period)
    position = frames * CODES_PER_FRAME
    resumed, _ = reported(codes, position=position)
    assert (position + 10, position + 10 + period) == (resumed.begin, resumed.begin + resumed.period)
    assert (position + 10 + period) // CODES_PER_FRAME * CODES_PER_FRAME == resumed.good_tokens


@given(rng=rngs, period=periods, prefix=st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_the_good_tokens_of_a_loop_can_be_pushed_again_without_complaint(rng, period, prefix):
    codes = loop_after(rng, prefix, period)
    error, _ = reported(codes)
    assert reported(codes[: error.good_tokens]) is None


def test_a_pushed_array_may_be_reused_by_the_caller():
    rng = np.random.default_rng(0)
    codes = loop_after(rng, 0, 70).astype(np.int16)
    expected, seen = reported(codes, batches=(5,))
    detector = RepetitionDetector(max_tokens=8_192)
    buffer = np.empty(5, dtype=np.int16)
    for start in range(0, seen - 5, 5):
        buffer[:] = codes[start : start + 5]
        detector.push(buffer)
        buffer[:] = 0
    with pytest.raises(TokenLoopError, match=str(expected.period)):
        detector.push(codes[seen - 5 : seen])


@given(progress=st.floats(0, 2), more=st.floats(0, 1), period=periods)
def test_fewer_repeats_are_demanded_as_the_answer_goes_on(progress, more, period):
    assert DEFAULT_POLICY.repeats_to_fire(period, progress) >= DEFAULT_POLICY.repeats_to_fire(period, progress + more)


@given(period=st.integers(7, LONGEST_PERIOD - 7).map(lambda tokens: tokens // 7 * 7), progress=st.floats(0, 1))
def test_long_periods_need_fewer_repeats_than_short_ones(period, progress):
    shorter = DEFAULT_POLICY.repeats_to_fire(period, progress)
    longer = DEFAULT_POLICY.repeats_to_fire(period + CODES_PER_FRAME, progress)
    assert longer <= shorter + CODES_PER_FRAME / period  # whole frames round both up


def test_a_loop_that_begins_late_is_reported_after_fewer_repeats():
    rng = np.random.default_rng(0)
    early = reported(loop_after(rng, 0, 70), max_tokens=8_192)
    late = reported(loop_after(rng, 7_700, 70), max_tokens=8_192)
    assert late[1] - late[0].begin < early[1] - early[0].begin


@pytest.mark.parametrize("period", [0, 6, 8, LONGEST_PERIOD + 7, -7])
def test_no_repeats_are_stated_for_periods_that_are_not_looked_for(period):
    with pytest.raises(ValueError, match=f"not {period}"):
        DEFAULT_POLICY.repeats_to_fire(period)


def silent_codes(rng, frames, coarse):
    """Frames whose coarse code is one of `coarse` and whose other codes are random."""
    codes = rng.integers(0, CODEBOOK_SIZE, (frames, CODES_PER_FRAME))
    codes[:, 0] = rng.choice(coarse, frames)
    return codes.reshape(-1)


@given(rng=rngs, frames=st.integers(0, 300), batches=batches)
@settings(max_examples=50, deadline=None)
def test_silence_is_reported_when_it_is_longer_than_a_pause(rng, frames, batches):
    begin = frames * CODES_PER_FRAME
    speech = silent_codes(rng, frames, np.arange(1, CODEBOOK_SIZE))
    error, _ = reported(np.concatenate((speech, silent_codes(rng, 200, [0]))), batches=batches)
    _, seen = reported(np.concatenate((speech, silent_codes(rng, 200, [0]))))
    assert (begin, CODES_PER_FRAME) == (error.begin, error.period)
    assert begin + DEFAULT_POLICY.kept_silence * CODES_PER_FRAME == error.good_tokens
    assert 3.0 <= (seen - begin) / TOKENS_PER_SECOND <= 4.2


@given(rng=rngs, frames=st.integers(2, 300))
@settings(max_examples=50, deadline=None)
def test_silence_that_flickers_between_two_coarse_codes_is_reported(rng, frames):
    begin = frames * CODES_PER_FRAME
    speech = silent_codes(rng, frames, np.arange(2, CODEBOOK_SIZE))
    error, seen = reported(np.concatenate((speech, silent_codes(rng, 200, [0, 1]))))
    assert begin - 2 * CODES_PER_FRAME <= error.begin <= begin
    assert (seen - begin) / TOKENS_PER_SECOND <= 5.0


def test_hums_between_long_pauses_are_no_silence_but_endless_ones_are():
    rng = np.random.default_rng(0)
    hums = [silent_codes(rng, frames, [code]) for _ in range(20) for frames, code in ((17, 0), (3, 1))]
    assert reported(np.concatenate(hums[:12])) is None
    error, seen = reported(np.concatenate(hums))
    assert 0 == error.begin
    assert seen / TOKENS_PER_SECOND <= 3 * 4.2


@given(codes=st.lists(st.integers(0, 3), min_size=1, max_size=80), pause=st.integers(1, 20))
def test_a_coarse_run_is_the_longest_end_of_the_answer_with_at_most_two_values(codes, pause):
    run = CoarseRun()
    for code in codes:
        run.extend(code)
    end = next(n for n in range(len(codes), 0, -1) if len(set(codes[-n:])) <= 2)
    same = next(n for n in range(len(codes), 0, -1) if len(set(codes[-n:])) == 1)
    changes = sum(a != b for a, b in zip(codes[-end:], codes[-end + 1 :], strict=False))
    expected = 0
    if end > pause * 3 or (end > pause and changes + 1 >= end / 4):
        expected = end
    if same > pause:
        expected = same
    assert expected == run.silent(pause)


@pytest.mark.parametrize(
    "values",
    [
        {"longest_period": 0},
        {"shortest_run": 0},
        {"longest_silence": 0, "kept_silence": 0},
        {"extra_copies": 0.0},
        {"telling_frames": -1},
        {"early_factor": 0.9},
        {"kept_silence": 37},
        {"kept_silence": -1},
    ],
)
def test_a_policy_out_of_range_cannot_be_made(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        RepetitionPolicy(**values)


@pytest.mark.parametrize("values", [{"max_tokens": 0}, {"position": -7}, {"position": 3}])
def test_a_detector_refuses_impossible_positions_and_budgets(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        RepetitionDetector(**{"max_tokens": 100} | values)


def test_a_policy_of_ones_own_is_obeyed():
    policy = RepetitionPolicy(longest_period=3, shortest_run=4, early_factor=1.0, telling_frames=0)
    detector = RepetitionDetector(max_tokens=100, policy=policy)
    pattern = np.arange(14)
    detector.push(np.tile(pattern, 3)[:-1])
    with pytest.raises(TokenLoopError):
        detector.push(pattern[-1:])
    assert 3.0 == pytest.approx(policy.repeats_to_fire(14) - 6 / 14)
