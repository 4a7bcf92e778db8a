import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orpheus_tts.domain import tokens
from orpheus_tts.domain.errors import TokenOutOfSlotError

codes = hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 4095))
positions = st.integers(0, 10_000)


def id_by_the_definition(position: int, code: int) -> int:
    return 128266 + 4096 * (position % 7) + code


@given(codes, positions)
def test_ids_follow_the_definition(codes, position):
    ids = tokens.ids_from_codes(codes, position=position)
    assert [id_by_the_definition(position + i, int(code)) for i, code in enumerate(codes)] == ids.tolist()


@given(codes, positions)
def test_codes_come_back_from_their_ids(codes, position):
    ids = tokens.ids_from_codes(codes, position=position)
    assert np.array_equal(codes, tokens.codes_from_ids(ids, position=position))


@given(codes.filter(len), positions, st.data())
def test_an_id_outside_its_slot_is_named_with_its_position(codes, position, data):
    ids = tokens.ids_from_codes(codes, position=position)
    at = data.draw(st.integers(0, len(ids) - 1))
    low = id_by_the_definition(position + at, 0)
    ids[at] = data.draw(st.integers(0, 2 * tokens.VOCABULARY_SIZE).filter(lambda i: not low <= i < low + 4096))
    with pytest.raises(TokenOutOfSlotError) as caught:
        tokens.codes_from_ids(ids, position=position)
    assert (position + at, ids[at], position + at) == (
        caught.value.position,
        caught.value.token_id,
        caught.value.good_tokens,
    )


def test_code_0_is_valid_and_4096_is_not():
    assert tokens.codes_from_ids(np.array([128266])).tolist() == [0]
    assert tokens.codes_from_ids(np.array([128266 + 4095])).tolist() == [4095]
    with pytest.raises(TokenOutOfSlotError):
        tokens.codes_from_ids(np.array([128266 + 4096]))
    for illegal in (-1, 4096):
        with pytest.raises(ValueError, match=r"0\.\.4095"):
            tokens.ids_from_codes(np.array([illegal]))


@given(hnp.arrays(np.int64, st.tuples(st.integers(0, 20), st.just(7)), elements=st.integers(0, 4095)))
def test_codebooks_follow_the_definition_and_come_back(frames):
    coarse, middle, fine = tokens.codebooks(frames)
    assert [c[0] for c in frames.tolist()] == coarse.tolist()
    assert [c for f in frames.tolist() for c in (f[1], f[4])] == middle.tolist()
    assert [c for f in frames.tolist() for c in (f[2], f[3], f[5], f[6])] == fine.tolist()
    assert np.array_equal(frames, tokens.frames_from_codebooks(coarse, middle, fine))


def test_the_vocabulary_ends_after_the_last_slot():
    assert id_by_the_definition(6, 4095) < tokens.VOCABULARY_SIZE == 156_940
    assert tokens.TOKENS_PER_SECOND == pytest.approx(82.03, abs=0.005)
