import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.snac.window import checked, pieces
from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME

frames = st.integers(1, 300).map(lambda count: np.arange(count * 7).reshape(count, 7))


def spans(count):
    """Two different samples of a window of so many frames, in order."""
    sample = st.integers(0, count * SAMPLES_PER_FRAME)
    return st.tuples(sample, sample).filter(lambda drawn: drawn[0] != drawn[1]).map(sorted)


@st.composite
def windows(draw):
    drawn = draw(frames)
    low, high = draw(st.just((0, len(drawn) * SAMPLES_PER_FRAME)) | spans(len(drawn)))
    return checked(drawn, draw(st.integers(0, 10**6)), low, high)


@given(windows(), st.integers(7, 80))
def test_pieces_join_to_the_wanted_part(window, longest):
    end = window.low
    for piece in pieces(window, longest, 4757):
        first = piece.position - window.position
        assert np.array_equal(window.frames[first : first + len(piece)], piece.frames)
        assert first * SAMPLES_PER_FRAME + piece.low == end
        assert piece.high > piece.low
        end = first * SAMPLES_PER_FRAME + piece.high
    assert end == window.high


@given(windows(), st.integers(7, 80), st.integers(0, 3 * SAMPLES_PER_FRAME))
def test_pieces_are_short_and_hold_their_context(window, longest, receptive_field):
    for piece in pieces(window, longest, receptive_field):
        size = len(piece) * SAMPLES_PER_FRAME
        begins = piece.position == window.position
        ends = piece.position + len(piece) == window.position + len(window)
        assert len(piece) <= longest
        assert begins or piece.low >= receptive_field
        assert ends or size - piece.high >= receptive_field


def test_a_short_window_is_one_piece():
    window = checked(np.zeros((60, 7), np.int64), 3, 1000, 2000)
    assert [window] == list(pieces(window, 60, 4757))


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


@pytest.mark.parametrize(("keep_from", "keep_to"), [(-1, 5), (5, 5), (6, 5), (0, 2049), (2048, 2049), (2048, None)])
def test_a_part_outside_the_window_is_refused(keep_from, keep_to):
    with pytest.raises(DecoderError, match="not a part"):
        checked(np.zeros((1, 7), np.int64), 0, keep_from, keep_to)


def test_a_negative_position_is_refused():
    with pytest.raises(DecoderError, match="position"):
        checked(np.zeros((1, 7), np.int64), -1)
