import pytest

from orpheus_tts.domain import errors
from orpheus_tts.domain.errors import EngineDeadError, InvalidRequestError, OrpheusError, UnknownVoiceError
from orpheus_tts.domain.speech import Sampling, SpeechRequest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", float("nan")),
        ("top_k", -1),
        ("top_k", 4097),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("repetition_penalty", 0.9),
        ("repetition_penalty", 2.01),
        ("max_tokens", 6),
        ("max_tokens", 65_537),
        ("seed", -1),
        ("seed", 2**63),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(InvalidRequestError, match=field) as caught:
        Sampling(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", 0.0), ("temperature", 2.0), ("top_p", 1.0), ("repetition_penalty", 1.0), ("max_tokens", 7)],
)
def test_a_value_at_the_edge_is_allowed(field, value):
    assert getattr(Sampling(**{field: value}), field) == value


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(InvalidRequestError) as caught:
        SpeechRequest(text=text)
    assert (caught.value.field, caught.value.code) == ("input", "empty_input")


@pytest.mark.parametrize("deadline", [0, -1, float("nan")])
def test_a_deadline_must_be_ahead(deadline):
    with pytest.raises(InvalidRequestError, match="deadline"):
        SpeechRequest(text="Hi.", deadline=deadline)


def test_a_request_knows_its_speaker():
    assert SpeechRequest(text="Hi.", voice="Alloy").speaker.name == "tara"
    with pytest.raises(UnknownVoiceError):
        SpeechRequest(text="Hi.", voice="nobody")


def test_every_error_is_one_of_ours():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert EngineDeadError in classes
    assert all(issubclass(value, OrpheusError) for value in classes)


@pytest.mark.parametrize("text", ["\ud83d", "a \udc00 b"])
def test_half_a_character_is_refused(text):
    with pytest.raises(InvalidRequestError, match="surrogate"):
        SpeechRequest(text=text)
