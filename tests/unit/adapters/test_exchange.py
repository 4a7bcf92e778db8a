import pytest

from orpheus_tts.adapters.litserve.exchange import Exchange
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.ports.observer import SpeechStages
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


STAGES = SpeechStages(queue=0.5, retry=0.0, prefill=1.0, frames=2.0, decode=4.0, join=0.25)


class Clock:
    """Says what time it is."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time

    def passes(self, seconds):
        self.time += seconds


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


def answered_in_time(observer, mode, *, stages=STAGES, status=200):
    """An answer whose request took 0.125 s to read, the ways 0.75 s and the encoder 3 s; its headers."""
    clock, production = Clock(), Production()
    exchange = Exchange(observer, RECEIVED, now=clock)
    clock.passes(0.125)
    exchange.ordered(SpeechRequest(text="Four"), "mp3", mode, production)
    clock.passes(0.75 + STAGES.seconds)
    if stages is not None:
        exchange.came(stages)
    clock.passes(3.0)
    production.make(1.0)
    exchange.begin(status)
    for last in (False, True):
        exchange.sent(10, last=last)
        production.make(1.0)
    return exchange.headers


@pytest.mark.parametrize(("mode", "rest"), [("audio", "encode"), ("sse", "encode"), ("file", "complete")])
def test_where_the_time_went_is_told_in_the_headers_and_with_the_first_block(observer, mode, rest):
    headers = answered_in_time(observer, mode)
    assert "r1" == headers["x-request-id"]
    assert headers["server-timing"] == (
        "request;dur=125.00, transport;dur=750.00, queue;dur=500.00, prefill;dur=1000.00, frames;dur=2000.00, "
        f"decode;dur=4000.00, join;dur=250.00, {rest};dur=3000.00"
    )
    first, second = (event for event in observer.events if isinstance(event, BlockSent))
    assert first.seconds == sum(first.stages.values())
    assert (0.75, 0.0, 3.0) == (first.stages["transport"], first.stages["retry"], first.stages[rest])
    assert not second.stages


@pytest.mark.parametrize("told", [{"stages": None}, {"status": 500}])
def test_an_answer_without_stages_tells_none(observer, told):
    assert {"x-request-id": "r1"} == answered_in_time(observer, "audio", **told)
