import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.prompt import Prompt, prompt_ids
from orpheus_tts.domain.voices import VOICES


def test_the_voice_comes_before_the_text():
    assert Prompt("Hello", VOICES["tara"]).spoken == "tara: Hello"


@given(st.lists(st.integers(0, 127_999)))
def test_text_stands_between_the_control_tokens(text_ids):
    assert [128259, 128000, *text_ids, 128009, 128260, 128261, 128257] == prompt_ids(text_ids)


@given(st.lists(st.integers(0, 127_999)), st.integers(128_000, 200_000) | st.integers(max_value=-1))
def test_no_control_token_gets_in_through_the_text(text_ids, illegal):
    with pytest.raises(ValueError, match=str(illegal)):
        prompt_ids([*text_ids, illegal])
