import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.errors import UnknownVoiceError
from orpheus_tts.domain.voices import ALIASES, DEFAULT_VOICE, VOICES, aliases_of, find_voice

OPENAI_VOICES = [
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
]


def test_there_are_eight_english_voices():
    english = [voice.name for voice in VOICES.values() if voice.language == "en"]
    assert ["tara", "leah", "jess", "leo", "dan", "mia", "zac", "zoe"] == english
    assert DEFAULT_VOICE in english


@pytest.mark.parametrize("alias", OPENAI_VOICES)
def test_every_openai_voice_is_an_alias_of_an_english_voice(alias):
    assert find_voice(alias).language == "en"


def test_there_is_no_other_alias_and_none_hides_a_voice():
    assert sorted(OPENAI_VOICES) == sorted(ALIASES)
    assert not ALIASES.keys() & VOICES.keys()


@given(st.sampled_from([*VOICES, *ALIASES]), st.sampled_from([str.upper, str.title, str.lower]))
def test_capitals_and_outer_spaces_do_not_matter(name, changed):
    assert find_voice(name) == find_voice(f" {changed(name)} ")


def test_other_aliases_may_take_their_place():
    aliases = {**ALIASES, "narrator": "leo", "alloy": "mia"}
    assert ("leo", "mia", "dan") == tuple(find_voice(name, aliases).name for name in ("Narrator", "alloy", "echo"))
    assert ["fable", "onyx", "cedar", "narrator"] == aliases_of(VOICES["leo"], aliases)
    assert [] == aliases_of(VOICES["tara"], aliases)
    with pytest.raises(UnknownVoiceError, match="narrator"):
        find_voice("nobody", aliases)


@given(st.text().filter(lambda name: name.strip().lower() not in {*VOICES, *ALIASES}))
def test_an_unknown_voice_is_refused_with_the_names_there_are(name):
    with pytest.raises(UnknownVoiceError) as caught:
        find_voice(name)
    assert caught.value.field == "voice"
    assert caught.value.voice == name
    assert all(known in str(caught.value) for known in (*VOICES, *ALIASES))
