import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.chunker import Boundary
from orpheus_tts.domain.joins import Joiner, JoinPolicy

RATE = 24_000
PAUSING = [Boundary.CLAUSE, Boundary.SENTENCE, Boundary.PARAGRAPH]
UNTRIMMED = JoinPolicy(trim=False)


def voiced(milliseconds: int, *, frequency: float = 200.0, amplitude: float = 0.5) -> np.ndarray:
    """A tone that starts and ends anywhere in its period, as a chunk cut from speech does."""
    time = np.arange(milliseconds * RATE // 1000) / RATE
    return (amplitude * np.cos(2 * np.pi * frequency * time)).astype(np.float32)


def silent(milliseconds: int) -> np.ndarray:
    return np.zeros(milliseconds * RATE // 1000, np.float32)


def join(chunks, boundaries, policy=None, pieces=1) -> np.ndarray:
    joiner, out = Joiner(policy), []
    for chunk, boundary in zip(chunks, boundaries, strict=True):
        out += [joiner.push(piece) for piece in np.array_split(chunk, pieces)]
        out.append(joiner.boundary(boundary))
    return np.concatenate(out)


tones = st.builds(
    voiced,
    st.integers(30, 400),
    frequency=st.floats(80, 400),
    amplitude=st.floats(0.05, 0.9),
)
padded_tones = st.builds(
    lambda lead, tone, tail: np.concatenate((silent(lead), tone, silent(tail))),
    st.integers(0, 300),
    tones,
    st.integers(0, 300),
)
inner = st.sampled_from([boundary for boundary in Boundary if boundary is not Boundary.END])


@st.composite
def joined_chunks(draw, chunk=padded_tones):
    chunks = draw(st.lists(chunk, min_size=1, max_size=4))
    return chunks, [*(draw(inner) for _ in chunks[1:]), Boundary.END]


@given(joined_chunks(), st.integers(1, 40), st.booleans())
def test_the_result_does_not_depend_on_how_samples_arrive(chunks_and_boundaries, pieces, trim):
    policy = JoinPolicy(trim=trim)
    whole = join(*chunks_and_boundaries, policy)
    assert np.array_equal(whole, join(*chunks_and_boundaries, policy, pieces=pieces))


@given(joined_chunks())
def test_no_step_at_a_join_is_larger_than_inside_the_chunks(chunks_and_boundaries):
    chunks, boundaries = chunks_and_boundaries
    joined = join(chunks, boundaries)
    peak = max(np.abs(chunk).max() for chunk in chunks)
    inside = max(np.abs(np.diff(chunk)).max() for chunk in chunks)
    # Two overlapping chunks add up (factor 2), and the fade itself bends a constant by its own slope.
    fade_slope = np.pi / 2 / (JoinPolicy().fade * RATE) * peak
    assert np.abs(np.diff(joined)).max(initial=0.0) <= 2 * (inside + fade_slope) + 1e-6


@given(tones)
def test_a_single_chunk_without_silence_is_untouched(chunk):
    assert np.array_equal(chunk, join([chunk], [Boundary.END], UNTRIMMED))
    loud = np.maximum(np.abs(chunk), 0.01)
    assert np.array_equal(loud, join([loud], [Boundary.END]))


@given(st.integers(100, 900), tones, st.integers(100, 900))
def test_silence_at_both_ends_is_cut_to_what_the_policy_keeps(lead, tone, tail):
    tone = np.maximum(np.abs(tone), 0.01)
    joined = join([np.concatenate((silent(lead), tone, silent(tail)))], [Boundary.END])
    policy = JoinPolicy()
    assert round(policy.lead * RATE) + tone.size + round(policy.tail * RATE) == joined.size


@given(tones, st.integers(10, 2000), tones)
def test_silence_inside_a_chunk_stays(first, pause, second):
    chunk = np.maximum(np.concatenate((np.abs(first), silent(pause), np.abs(second))), 0)
    chunk[0] = chunk[-1] = 0.1
    assert np.array_equal(chunk, join([chunk], [Boundary.END], pieces=7))


@given(tones, tones, st.sampled_from(PAUSING))
def test_the_pause_fits_the_boundary(first, second, boundary):
    policy = JoinPolicy()
    chunks = [np.concatenate((silent(200), np.maximum(np.abs(c), 0.01), silent(200))) for c in (first, second)]
    joined = join(chunks, [boundary, Boundary.END])
    speech = first.size + second.size
    ends = round(policy.lead * RATE) + round(policy.tail * RATE)
    assert joined.size == pytest.approx(speech + ends + policy.pauses[boundary] * RATE, abs=2)


def test_pauses_grow_with_the_boundary():
    pauses = [JoinPolicy().pauses[boundary] for boundary in (Boundary.WORD, *PAUSING)]
    assert sorted(set(pauses)) == pauses


@given(tones, tones, st.sampled_from([Boundary.WORD, Boundary.HARD]))
def test_without_a_pause_the_chunks_overlap_by_one_fade(first, second, boundary):
    joined = join([first, second], [boundary, Boundary.END], UNTRIMMED)
    fade = round(UNTRIMMED.fade * RATE)
    assert first.size + second.size - fade == joined.size
    assert np.array_equal(first[:-fade], joined[: first.size - fade])
    assert np.array_equal(second[fade:], joined[first.size :])


def test_a_cross_fade_keeps_the_power():
    random = np.random.default_rng(0)
    policy = JoinPolicy(trim=False, fade=1.0)
    chunks = [random.normal(0, 0.1, 2 * RATE).astype(np.float32) for _ in range(2)]
    joined = join(chunks, [Boundary.WORD, Boundary.END], policy)
    overlap = joined[RATE : 2 * RATE].reshape(10, -1).std(axis=1)
    assert overlap == pytest.approx(np.full(10, 0.1), rel=0.1)


@given(st.integers(0, 3000), inner | st.just(Boundary.END))
def test_a_chunk_of_silence_keeps_a_moment_of_it(milliseconds, boundary):
    joined = join([silent(milliseconds)], [boundary])
    assert not joined.any()
    lead = round(JoinPolicy().lead * RATE)
    pause = JoinPolicy().pauses[boundary] * RATE
    assert joined.size <= lead + pause
    if boundary is Boundary.END:
        assert min(silent(milliseconds).size, lead) == joined.size


@given(tones, tones)
def test_an_empty_chunk_between_others_is_no_gap(first, second):
    nothing = np.empty(0, np.float32)
    expected = join([first, second], [Boundary.WORD, Boundary.END], UNTRIMMED)
    joined = join([first, nothing, second], [Boundary.WORD, Boundary.WORD, Boundary.END], UNTRIMMED)
    assert expected.size == joined.size


@given(tones, st.integers(1100, 3000))
def test_a_long_silence_is_not_held_back(tone, milliseconds):
    joiner = Joiner()
    out = [joiner.push(tone), joiner.push(silent(milliseconds))]
    held = tone.size + silent(milliseconds).size - sum(block.size for block in out)
    assert held <= round((JoinPolicy().longest_held + JoinPolicy().fade) * RATE)


@given(joined_chunks(chunk=st.integers(192, 3000).map(np.ones)), st.integers(1, 9))
def test_what_is_returned_for_a_chunk_begins_with_its_sound_and_holds_none_of_the_next(chunks_and_boundaries, pieces):
    chunks, boundaries = chunks_and_boundaries
    for number in range(len(chunks)):
        alone = [np.float32(chunk * (other == number)) for other, chunk in enumerate(chunks)]
        joiner, returned = Joiner(UNTRIMMED), []
        for chunk, boundary in zip(alone, boundaries, strict=True):
            parts = [joiner.push(piece) for piece in np.array_split(chunk, pieces)]
            returned.append(np.concatenate((*parts, joiner.boundary(boundary))))
        assert not any(earlier.any() for earlier in returned[:number])
        assert returned[number].size == 0 or returned[number][0]
