import base64
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.bench.events import EventError, SpeechEvents


def delta(audio):
    return {"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()}


def sent(*events):
    return b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_the_audio_of_each_event_comes_once_it_is_complete(blocks, cuts):
    data = b": a comment\n\n" + sent(*map(delta, blocks), {"type": "speech.audio.done"}) + b"data: [DONE]\n\n"
    edges = [0, *sorted(cuts), len(data)]
    events = SpeechEvents()
    heard = [audio for start, end in itertools.pairwise(edges) for audio in events.feed(data[start:end])]
    assert blocks == heard
    assert events.done


@pytest.mark.parametrize("end", [sent({"type": "speech.audio.done", "usage": {}}), b"data: [DONE]\n\n"])
def test_either_end_is_one(end):
    events = SpeechEvents()
    events.feed(sent(delta(b"x")))
    assert not events.done
    events.feed(end)
    assert events.done


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (sent({"error": {"message": "out of breath"}}), "out of breath"),
        (b"data: {\n", "not an event"),
        (b"data: []\n", "not an event"),
        (sent({"type": "speech.audio.delta"}), "not an event"),
        (sent({"type": "speech.audio.delta", "audio": "x"}), "not an event"),
    ],
)
def test_errors_and_nonsense_are_told(data, says):
    with pytest.raises(EventError, match=says):
        SpeechEvents().feed(data)


def test_events_of_other_kinds_have_no_audio():
    assert [] == SpeechEvents().feed(sent({"type": "speech.word", "text": "audio"}, {}))
