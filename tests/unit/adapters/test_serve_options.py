import pytest

from orpheus_tts.adapters.litserve import ServeOptions
from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.domain.errors import UnknownVoiceError
from orpheus_tts.formats import FORMATS


def options(**changes):
    return ServeOptions(**{"model": "m", "backend": "b", "formats": FORMATS, "make_tempo": PyavTempo, **changes})


@pytest.mark.parametrize(
    ("field", "wrong", "says"),
    [
        ("host", "localhost", "127.0.0.1"),
        ("port", 80, "1024 and 65535"),
        ("port", 65536, "1024 and 65535"),
        ("max_input_characters", 1_000_001, "1 and 1000000"),
        ("http_processes", 0, "1 and"),
        ("workers_per_device", 0, "1 and"),
        ("log_level", "loud", "debug"),
        ("graceful_timeout", -1, "0 or more"),
        ("deadline", 0, "above 0"),
        ("body_timeout", 0, "above 0"),
        ("header_timeout", 0, "above 0"),
        ("write_timeout", 0, "above 0"),
        ("max_connections", -1, "1 and"),
        ("max_requests", 0, "at least 1"),
        ("max_queued_requests", 0, "at least 1"),
        ("max_queued_characters", 0, "at least 1"),
        ("default_format", "ogg", "mp3, opus, aac, flac, wav, pcm"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(field, wrong, says):
    with pytest.raises(ValueError, match=says) as caught:
        options(**{field: wrong})
    assert str(wrong) in str(caught.value)


def test_an_empty_key_is_refused_and_keys_do_not_show():
    with pytest.raises(ValueError, match="key is empty"):
        options(api_keys=("sk-1", ""))
    assert "sk-1" not in repr(options(api_keys=("sk-1",)))


def test_a_limit_for_each_key_needs_keys():
    with pytest.raises(ValueError, match="needs API keys"):
        options(max_requests_per_key=1)
    assert 1 == options(max_requests_per_key=1, api_keys=("sk-1",)).admission_limits.per_key


def test_the_default_voice_has_to_exist():
    with pytest.raises(UnknownVoiceError):
        options(voice="bob")


def test_the_served_model_comes_first_and_once():
    assert ("m", "a") == options(model_aliases=("a", "m")).model_ids
