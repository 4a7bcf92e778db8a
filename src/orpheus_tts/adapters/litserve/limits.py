"""How large a request's body may be and how long it may take, whoever sends it. Plain ASGI."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """Ends the reading of a body that is too large with 413, of one that takes too long with 408.

    An answer to a body that was not read to its end, such as one without a valid key, goes out at once. Then the
    rest of the body is thrown away, within the same limits, and the connection closed: closed earlier, it would be
    reset, and the client might never see the answer.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float) -> None:
        """Limit the bodies of an application's requests.

        Args:
            app: What to protect.
            max_bytes: Largest body that is read; as much again is thrown away.
            seconds: From the start of a request until its body is complete.
        """
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            deadline = asyncio.get_running_loop().time() + self._seconds
            exchange = _Exchange(receive, send, max_bytes=self._max_bytes, deadline=deadline)
            await self._app(scope, exchange.receive, exchange.send)
        else:
            await self._app(scope, receive, send)


class _Exchange:
    """One request with a body, and its answer."""

    def __init__(self, receive: Receive, send: Send, *, max_bytes: int, deadline: float) -> None:
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._bytes_left = max_bytes
        self._deadline = deadline
        self._complete = False

    async def receive(self) -> Message:
        """The next part of the body, within the limits; later whatever comes."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        self._complete = not message.get("more_body", False)
        self._bytes_left -= len(message.get("body", b""))
        if self._bytes_left < 0:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer; before its end, the rest of the body is thrown away."""
        if message["type"] == "http.response.start":
            if not self._complete:
                MutableHeaders(scope=message)["connection"] = "close"
        elif not self._complete and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            message = {"type": "http.response.body"}
            await self._discard()
        await self._send(message)

    async def _discard(self) -> None:
        self._bytes_left = self._max_bytes
        with suppress(HTTPException):
            while not self._complete:
                await self.receive()
