"""The answer that carries speech: headers once there is audio, blocks as they come, a visible break if it fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orpheus_tts.adapters.litserve.formats import OutputFormat
from orpheus_tts.adapters.litserve.framing import Framing
from orpheus_tts.domain.errors import OrpheusError, SpeechFailedError

_log = structlog.get_logger(__name__)


class SpeechResponse(Response):
    """Speech, streamed or complete.

    Nothing is sent before the first audio, so that a failure until then is raised and gets a status of its own. A
    failure after that breaks the connection without the final chunk: clients see an error, never a short file. When
    the client leaves, the blocks are closed at once, and with them the work in the worker.
    """

    def __init__(
        self,
        blocks: AsyncGenerator[bytes, None],
        output: OutputFormat,
        framing: Framing,
        *,
        stream: bool,
        request_id: str,
    ) -> None:
        """Answer with these blocks.

        Args:
            blocks: PCM, signed 16-bit little-endian.
            output: The format to send.
            framing: How it is put into a streamed body.
            stream: Whether to send while it is spoken, or only the complete file with its length.
            request_id: For the log.
        """
        # As in Starlette's StreamingResponse: Response's own __init__ would promise an empty body.
        self.status_code = 200
        self.media_type = output.media_type
        self.background = None
        self.init_headers(framing.headers(output.media_type))
        self._blocks = blocks
        self._output = output
        self._framing = framing
        self._stream = stream
        self._log = _log.bind(request_id=request_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak to the client until the end, or until it leaves."""
        sending = self._send_stream(send) if self._stream else self._send_file(scope, receive, send)
        speaking = asyncio.ensure_future(sending)
        leaving = asyncio.ensure_future(_client_left(receive))
        try:
            await asyncio.wait({speaking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = not speaking.done()
            speaking.cancel()
            leaving.cancel()
            await asyncio.gather(speaking, leaving, return_exceptions=True)
        if left:
            self._log.debug("client left")
        else:
            speaking.result()

    async def _send_stream(self, send: Send) -> None:
        encoder = self._output.encoder()
        started = False
        try:
            async with aclosing(self._blocks) as blocks:
                async for block in blocks:
                    data = encoder.encode(_samples(block))
                    if data and not started:
                        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                        started = True
                    if data:
                        await send({"type": "http.response.body", "body": self._framing.audio(data), "more_body": True})
        except OrpheusError as error:
            if not started:
                raise
            self._log.warning("speech broken off", error=str(error))
            last = self._framing.failure(error)
            # Returning without it makes uvicorn close the connection without the final chunk.
            if last is not None:
                await send({"type": "http.response.body", "body": last, "more_body": False})
            return
        if not started:
            raise _no_audio()
        last = self._framing.audio(encoder.finish()) + self._framing.end()
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _send_file(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._blocks) as blocks:
            pcm = b"".join([block async for block in blocks])
        if not pcm:
            raise _no_audio()
        response = Response(self._output.whole(_samples(pcm)), media_type=self.media_type)
        await response(scope, receive, send)


async def _client_left(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _samples(pcm: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return np.frombuffer(pcm, dtype="<i2")


def _no_audio() -> SpeechFailedError:
    return SpeechFailedError(0, 1, "no audio came")
