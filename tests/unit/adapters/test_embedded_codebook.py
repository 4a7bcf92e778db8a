from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.embedded.codebook import Codebook
from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, SAMPLES_PER_FRAME


def frame(number):
    samples = np.zeros(SAMPLES_PER_FRAME, dtype=np.int16)
    samples[:4] = np.frombuffer(np.int64(number).tobytes(), dtype=np.int16)
    return samples


def encode(codebook, *numbers):
    return np.stack([codebook.encode(frame(number)) for number in numbers])


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20))
def test_decoding_gives_back_the_samples(numbers):
    codebook = Codebook()
    frames = encode(codebook, *numbers)
    assert np.array_equal(np.stack([frame(number) for number in numbers]), codebook.decode(frames))


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_codes_are_equal_exactly_if_the_samples_are(one, other):
    first, second = encode(Codebook(), one, other)
    assert (one == other) == np.array_equal(first, second)
    assert first.min() >= 0
    assert first.max() < CODEBOOK_SIZE


def test_every_slot_uses_its_whole_range():
    codes = encode(Codebook(), *range(500))
    assert (codes.min(axis=0) < 100).all()
    assert (codes.max(axis=0) > CODEBOOK_SIZE - 100).all()


def test_the_samples_are_copied():
    codebook = Codebook()
    samples = frame(1)
    codes = codebook.encode(samples)
    samples[:] = 9
    assert np.array_equal(frame(1), codebook.decode(codes[np.newaxis])[0])


def test_a_frame_can_be_decoded_again_shortly_afterwards():
    codebook = Codebook(capacity=10, grace=5)
    frames = encode(codebook, *range(5))
    first = codebook.decode(frames)
    assert np.array_equal(first, codebook.decode(frames))
    assert np.array_equal(first[1:3], codebook.decode(frames[1:3]))


def test_decoded_frames_are_forgotten_beyond_the_grace():
    codebook = Codebook(capacity=10, grace=2)
    frames = encode(codebook, 1, 2, 3)
    codebook.decode(frames)
    assert len(codebook) == 2
    with pytest.raises(DecoderError, match="forgotten"):
        codebook.decode(frames[:1])
    assert len(codebook.decode(frames[1:])) == 2


def test_decoding_one_of_two_equal_frames_keeps_the_other():
    codebook = Codebook(capacity=10, grace=0)
    codes = encode(codebook, 7, 7)
    codebook.decode(codes[:1])
    assert np.array_equal(frame(7), codebook.decode(codes[1:])[0])
    with pytest.raises(DecoderError):
        codebook.decode(codes[:1])


def test_frames_that_nobody_decodes_are_forgotten_oldest_first():
    codebook = Codebook(capacity=3, grace=3)
    frames = encode(codebook, 1, 2, 3, 4)
    assert len(codebook) == 3
    assert len(codebook.decode(frames[1:])) == 3
    with pytest.raises(DecoderError):
        codebook.decode(frames[:1])


def test_released_frames_make_room_for_others():
    codebook = Codebook(capacity=10, grace=1)
    frames = encode(codebook, *range(8))
    codebook.release(frames)
    codebook.release(np.zeros((1, 7), dtype=np.int64))
    assert len(codebook) == 1


def test_a_frame_spoken_again_is_awaited_again():
    codebook = Codebook(capacity=10, grace=1)
    again = encode(codebook, 1)
    codebook.decode(again)
    encode(codebook, 1)
    others = encode(codebook, 2, 3)
    codebook.decode(others)
    assert np.array_equal(frame(1), codebook.decode(again)[0])


def test_frames_it_never_saw_are_refused():
    with pytest.raises(DecoderError, match="never spoke"):
        Codebook().decode(np.full((1, 7), 5))


def test_memory_stays_bounded_over_ten_thousand_utterances():
    codebook = Codebook(capacity=64, grace=16)
    for utterance in range(10_000):
        frames = encode(codebook, *range(3 * utterance, 3 * utterance + 3))
        if utterance % 3:
            codebook.decode(frames)
        assert len(codebook) <= 64 + 16


def test_frames_that_are_all_decoded_leave_only_the_grace():
    codebook = Codebook(grace=8)
    for utterance in range(1000):
        codebook.decode(encode(codebook, *range(3 * utterance, 3 * utterance + 3)))
    assert len(codebook) == 8


def test_threads_may_share_it():
    codebook = Codebook(grace=0)

    def speak(start):
        for number in range(start, start + 300):
            codes = encode(codebook, number, -1)
            assert np.array_equal(frame(number), codebook.decode(codes[:1])[0])
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(speak, range(0, 4000, 1000)))


def test_a_cleared_codebook_is_empty():
    codebook = Codebook()
    frames = encode(codebook, 1, 2)
    codebook.decode(frames[:1])
    codebook.clear()
    assert len(codebook) == 0
