import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.snac.window import Window, checked, pieces
from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME

frames = st.integers(1, 300).map(lambda count: np.arange(count * 7).reshape(count, 7))


@given(frames, st.integers(0, 10**6), st.integers(7, 80))
def test_pieces_join_to_the_window(frames, position, longest):
    window = Window(frames, position)
    end = 0
    for piece in pieces(window, longest, 4757):
        first = piece.window.position - position
        assert np.array_equal(frames[first : first + len(piece.window)], piece.window.frames)
        assert first * SAMPLES_PER_FRAME + piece.keep.start == end
        end = first * SAMPLES_PER_FRAME + piece.keep.stop
    assert end == len(frames) * SAMPLES_PER_FRAME


@given(frames, st.integers(7, 80), st.integers(0, 3 * SAMPLES_PER_FRAME))
def test_pieces_are_short_and_hold_their_context(frames, longest, receptive_field):
    for piece in pieces(Window(frames, 0), longest, receptive_field):
        size = len(piece.window) * SAMPLES_PER_FRAME
        begins = piece.window.position == 0
        ends = piece.window.position + len(piece.window) == len(frames)
        assert len(piece.window) <= longest
        assert piece.keep.start >= (0 if begins else receptive_field)
        assert size - piece.keep.stop >= (0 if ends else receptive_field)


def test_a_short_window_is_one_piece():
    window = Window(np.zeros((60, 7), np.int64), 3)
    assert [(piece.window.position, len(piece.window)) for piece in pieces(window, 60, 4757)] == [(3, 60)]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_any_integers_are_taken(dtype):
    window = checked(np.full((2, 7), 4095, dtype), 5)
    assert (window.frames.dtype, window.frames.shape, window.position) == (np.int64, (2, 7), 5)


def test_a_window_is_a_copy():
    frames = np.zeros((2, 7), np.int64)
    window = checked(frames, 0)
    frames[:] = 1
    assert not window.frames.any()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((0, 7), np.int64), "at least 1"),
        (np.zeros((2, 6), np.int64), "shape"),
        (np.zeros(7, np.int64), "shape"),
        (np.zeros((1, 2, 7), np.int64), "shape"),
        (np.zeros((2, 7)), "float64"),
        (np.zeros((2, 7), bool), "bool"),
        (np.full((2, 7), 4096), "4096"),
        (np.full((2, 7), -1), "-1"),
    ],
)
def test_what_is_no_frames_is_refused(frames, message):
    with pytest.raises(DecoderError, match=message):
        checked(frames, 0)


def test_a_negative_position_is_refused():
    with pytest.raises(DecoderError, match="position"):
        checked(np.zeros((1, 7), np.int64), -1)
