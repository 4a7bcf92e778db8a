import pytest

from orpheus_tts.adapters.litserve.exchange import Exchange
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.ports.server_observer import BlockSent, RequestAnswered, RequestReceived, SpeechOrdered

RECEIVED = RequestReceived(request_id="r1", speech=True, method="POST", path="/v1/audio/speech")


class Recording:
    def __init__(self):
        self.events = []

    def observe(self, event):
        self.events.append(event)

    def answered(self):
        [event] = [event for event in self.events if isinstance(event, RequestAnswered)]
        return event


class Production:
    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def make(self, seconds):
        self.seconds += seconds
        self.cpu_seconds += seconds / 100


@pytest.fixture
def observer():
    return Recording()


@pytest.fixture
def exchange(observer):
    return Exchange(observer, RECEIVED)


@pytest.mark.parametrize(
    ("status", "ending", "told"),
    [
        (200, "last", ("completed", 200)),
        (404, "last", ("refused", 404)),
        (503, "last", ("failed", 503)),
        (200, "broken", ("broken_off", 200)),
        (200, "left", ("cancelled", 200)),
        (0, "left", ("cancelled", 499)),
        (0, "broken", ("cancelled", 499)),
    ],
)
def test_the_end_is_told_as_it_was(exchange, observer, status, ending, told):
    if status:
        exchange.begin(status)
        exchange.sent(10, last=ending == "last")
    if ending == "left":
        exchange.client_left()
    exchange.end()
    assert (*told, "r1") == (observer.answered().outcome, observer.answered().status, observer.answered().request_id)


def test_who_leaves_after_the_end_has_not_left(exchange, observer):
    exchange.begin(200)
    exchange.sent(10, last=True)
    exchange.client_left()
    exchange.end()
    assert "completed" == observer.answered().outcome


def test_blocks_are_told_with_what_was_made_for_them(exchange, observer):
    production = Production()
    exchange.ordered(SpeechRequest(text="Four", voice="alloy"), "mp3", "sse", production)
    exchange.begin(200)
    for seconds, size in ((0.5, 100), (0.0, 7), (1.0, 200)):
        production.make(seconds)
        exchange.sent(size, last=False)
    exchange.sent(0, last=True)
    exchange.end()
    received, first, second, answered = observer.events
    order = SpeechOrdered(response_format="mp3", mode="sse", voice="tara", text="Four")
    assert RECEIVED == received
    assert [(True, 100, 0.5, 0.005), (False, 200, 1.0, pytest.approx(0.01))] == [
        (block.first, block.size, block.audio_seconds, block.encode_cpu_seconds) for block in (first, second)
    ]
    assert {order} == {first.order, second.order, answered.order}
    assert isinstance(first, BlockSent)
    assert (1.5, 300, first.seconds) == (answered.audio_seconds, answered.size, answered.time_to_first_audio)


def test_an_error_has_no_audio(exchange, observer):
    production = Production()
    exchange.ordered(SpeechRequest(text="Four"), "mp3", "file", production)
    production.make(1.0)
    exchange.begin(500)
    exchange.sent(100, last=True)
    exchange.end()
    assert (0.0, None, 0) == (
        observer.answered().audio_seconds,
        observer.answered().time_to_first_audio,
        observer.answered().size,
    )
