"""How much of a body is read, how long, and what becomes of the connection."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from orpheus_tts.adapters.litserve.limits import BodyLimitMiddleware


class Exchange:
    """An application behind the limits, and a client that sends these pieces; None is a pause without end."""

    def __init__(self, pieces, *, reads, max_bytes=100, seconds=5.0, headers=((b"transfer-encoding", b"chunked"),)):
        self.pieces, self.reads = list(pieces), reads
        self.received, self.sent, self.failure = b"", [], None
        self.asked = 0
        self._app = BodyLimitMiddleware(self._answer, max_bytes=max_bytes, seconds=seconds)
        self._scope = {"type": "http", "headers": list(headers)}

    async def run(self):
        await self._app(self._scope, self._receive, self._send)
        return self

    async def _answer(self, _scope, receive, send):
        more = self.reads
        try:
            while more:
                message = await receive()
                self.received += message["body"]
                more = message["more_body"]
        except HTTPException as error:
            self.failure = error.status_code
        await send({"type": "http.response.start", "status": self.failure or 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})

    async def _receive(self):
        self.asked += 1
        if self.pieces[0] is None:
            await asyncio.sleep(600)
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def _send(self, message):
        self.sent.append((message, len(self.pieces)))

    @property
    def closes(self):
        return (b"connection", b"close") in self.sent[0][0]["headers"]


bodies = st.lists(st.binary(max_size=60), min_size=1, max_size=8)


@given(bodies)
async def test_a_body_within_the_limits_passes_and_any_other_is_a_413(pieces):
    exchange = await Exchange(pieces, reads=True).run()
    whole = b"".join(pieces)
    if len(whole) <= 100:
        assert (None, whole, False) == (exchange.failure, exchange.received, exchange.closes)
    else:
        assert 413 == exchange.failure
        assert len(exchange.received) <= 100


@given(bodies)
async def test_a_body_that_is_not_read_is_thrown_away_after_the_answer(pieces):
    exchange = await Exchange(pieces, reads=False).run()
    (answer, unread), (end, left) = exchange.sent[1:]
    assert (b"answer", True, len(pieces)) == (answer["body"], answer["more_body"], unread)
    assert (b"", False) == (end.get("body", b""), end.get("more_body", False))
    assert exchange.closes
    assert left == 0 or sum(map(len, pieces)) > 100


async def test_no_more_is_thrown_away_than_may_be_read():
    exchange = await Exchange([b"x" * 60] * 1000, reads=False).run()
    assert exchange.asked <= 2
    exchange = await Exchange([b"x" * 60] * 1000, reads=True).run()
    assert exchange.asked <= 4


async def test_a_body_that_takes_too_long_is_a_408():
    exchange = await Exchange([b"x", None], reads=True, seconds=0.05).run()
    assert (408, b"x", True) == (exchange.failure, exchange.received, exchange.closes)


async def test_a_client_that_never_finishes_its_body_is_not_waited_for_after_the_answer():
    exchange = await Exchange([b"x", None], reads=False, seconds=0.05).run()
    assert exchange.sent[-1][0].get("more_body", False) is False


async def test_an_answer_may_take_longer_than_its_request():
    received = []

    async def app(_scope, receive, _send):
        received.append(await receive())
        received.append(await receive())

    async def receive():
        if not received:
            return {"type": "http.request", "body": b"x", "more_body": False}
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    scope = {"type": "http", "headers": [(b"content-length", b"1")]}
    await BodyLimitMiddleware(app, max_bytes=100, seconds=0.05)(scope, receive, None)
    assert ["http.request", "http.disconnect"] == [message["type"] for message in received]


async def test_a_request_without_a_body_is_left_alone():
    for headers in ((), ((b"content-length", b"0"),)):
        exchange = await Exchange([], reads=False, headers=headers).run()
        assert (0, False) == (exchange.asked, exchange.closes)


async def test_what_is_no_request_is_left_alone():
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    await BodyLimitMiddleware(app, max_bytes=1, seconds=1)({"type": "lifespan"}, 1, 2)
    assert [({"type": "lifespan"}, 1, 2)] == seen
