"""The answer that carries speech: headers once there is audio, blocks as they come, a visible break if it fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orpheus_tts.adapters.litserve.admission import Ticket
from orpheus_tts.adapters.litserve.encoding import Piece
from orpheus_tts.adapters.litserve.framing import Framing
from orpheus_tts.domain.errors import DeadlineExceededError, OrpheusError, SpeechFailedError

# Web streams, in browsers and Node, forget what was not read when the connection breaks: time to read the last event.
_READING_SECONDS = 0.25
# The worker keeps the deadline itself and says so better, unless the client holds it back by not reading.
_DEADLINE_MARGIN_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class SpeechResponse(Response):
    """Speech, streamed or complete.

    Nothing is sent before the first audio, so that a failure until then is raised and gets a status of its own. A
    failure after that breaks the connection without the final chunk, once the framing has told it if it can: clients
    see an error, never a short file, also those that pass over events they do not know, as LiveKit's plugin does. When
    the client leaves, the pieces are closed at once, and with them the work in the worker.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[Piece, None],
        media_type: str,
        framing: Framing,
        ticket: Ticket,
        *,
        stream: bool,
        request_id: str,
        deadline: float | None = None,
    ) -> None:
        """Answer with these pieces.

        Args:
            pieces: Of the answer, the first audio at once after what is told before it.
            media_type: What the audio is.
            framing: How it is put into a streamed body.
            ticket: Held until the end; nothing is asked of the pieces without a place.
            stream: Whether to send while it is spoken, or only the complete file with its length.
            request_id: For the log.
            deadline: Seconds that it may take to the end, however slowly the client reads; None for no limit.
        """
        # As in Starlette's StreamingResponse: Response's own __init__ would promise an empty body.
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(framing.headers(media_type))
        self._pieces = pieces
        self._framing = framing
        self._ticket = ticket
        self._started = False
        self._stream = stream
        self._deadline = deadline
        self._log = _log.bind(request_id=request_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak to the client until the end, until it leaves or until the deadline.

        Raises:
            OrpheusError: It failed, or there is no place for it, before the first audio.
        """
        with self._ticket:
            await self._speak(scope, receive, send)

    async def _speak(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = self._send_stream(send) if self._stream else self._send_file(scope, receive, send)
        speaking = asyncio.ensure_future(sending)
        leaving = asyncio.ensure_future(_client_left(receive))
        try:
            done, _ = await asyncio.wait(
                {speaking, leaving}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            speaking.cancel()
            leaving.cancel()
            await asyncio.gather(speaking, leaving, return_exceptions=True)
        if speaking in done:
            speaking.result()
        elif leaving in done:
            self._log.debug("client left")
        else:
            self._too_late()

    @property
    def _patience(self) -> float | None:
        return None if self._deadline is None else self._deadline + _DEADLINE_MARGIN_SECONDS

    def _too_late(self) -> None:
        """Fail if nothing has been sent; else the connection breaks, as uvicorn sees an answer without its end."""
        error = DeadlineExceededError(self._deadline or 0.0)
        if not self._started:
            raise error
        self._log.warning("speech broken off", error=str(error))

    async def _send_stream(self, send: Send) -> None:
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    if not self._started:
                        self._started = True
                        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    await send({"type": "http.response.body", "body": self._framed(piece), "more_body": True})
        except OrpheusError as error:
            if not self._started:
                raise
            self._log.warning("speech broken off", error=str(error))
            last = self._framing.failure(error)
            if last is not None:
                await send({"type": "http.response.body", "body": last, "more_body": True})
                await asyncio.sleep(_READING_SECONDS)
            # Returning without the end makes uvicorn close the connection without the final chunk.
            return
        if not self._started:
            raise _no_audio()
        await send({"type": "http.response.body", "body": self._framing.end(), "more_body": False})

    async def _send_file(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            body = b"".join([self._framed(piece) async for piece in pieces])
        if not body:
            raise _no_audio()
        response = Response(body, media_type=self.media_type)
        self._started = True
        await response(scope, receive, send)

    def _framed(self, piece: Piece) -> bytes:
        return self._framing.audio(piece) if isinstance(piece, bytes) else self._framing.marks(piece)


async def _client_left(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _no_audio() -> SpeechFailedError:
    return SpeechFailedError(0, 1, "no audio came")
