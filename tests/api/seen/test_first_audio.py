"""What clients and operators are told of the way to the first audio."""

import re

import httpx
import pytest

WORKERS = ["transport", "queue", "prefill", "frames", "decode", "join"]


def stages(answer):
    """Milliseconds by stage, as `Server-Timing` has them."""
    told = [re.fullmatch(r"([a-z]+);dur=(\d+\.\d\d)", each) for each in answer.headers["server-timing"].split(", ")]
    return {each[1]: float(each[2]) for each in told}


@pytest.fixture(scope="module")
def served(serve):
    with serve(TTS_CORS_ORIGINS="https://page.example") as served:
        yield served


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"response_format": "pcm"}, "encode"),
        ({"response_format": "mp3", "speed": 1.5}, "encode"),
        ({"response_format": "pcm", "stream_format": "sse", "timestamps": "chunk"}, "encode"),
        ({"response_format": "flac", "stream": False}, "complete"),
    ],
)
def test_every_answer_tells_where_the_time_went(served, fields, last):
    answer = served.speak(**fields)
    assert ["request", *WORKERS, last] == list(stages(answer))
    assert 0 < sum(stages(answer).values()) < 1000 * answer.elapsed.total_seconds()


def test_a_retry_before_there_is_sound_is_told(served):
    assert stages(served.speak("Stumble over this sentence, if you please."))["retry"] > 0
    for without in ("Say it.", "Retry this sentence after its first sound."):
        assert "retry" not in stages(served.speak(without))


def test_an_answer_without_speech_tells_nothing(served):
    for answer in (served.client.get("/health"), served.speak("Mute this."), served.speak(voice="nobody")):
        assert "server-timing" not in answer.headers


def test_web_pages_may_read_it(served):
    answer = served.speak(headers={"origin": "https://page.example"})
    assert "server-timing" in answer.headers["access-control-expose-headers"]
    assert "server-timing" in answer.headers


def test_each_stage_is_counted_once_for_each_answer(served):
    def counted():
        told = served.client.get("/metrics").text
        found = re.findall(r'_first_audio_stage_seconds_count{stage="(\w+)"} (\S+)', told)
        return {stage: float(count) for stage, count in found}

    before = counted()
    served.speak()
    with pytest.raises(httpx.RemoteProtocolError):
        served.speak("Fail after the first audio, if you please.", response_format="pcm")
    grown = {stage: count - before.get(stage, 0) for stage, count in counted().items()}
    assert dict.fromkeys(["request", *WORKERS, "retry", "encode"], 2) == {key: by for key, by in grown.items() if by}
