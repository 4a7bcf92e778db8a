"""What wraps every HTTP request: its id, what is told of it, the last resort for errors, and HEAD. Plain ASGI."""

import asyncio
import re
import uuid
from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orpheus_tts.adapters.litserve.errors import INTERNAL_ERROR, SHUTTING_DOWN
from orpheus_tts.adapters.litserve.exchange import ID_HEADER, Exchange
from orpheus_tts.ports import ServerEvent, ServerObserver
from orpheus_tts.ports.server_observer import RequestReceived

# Harmless in headers and logs, and long enough for any tracing scheme.
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_SPEECH_PATHS = frozenset({"/v1/audio/speech", "/audio/speech"})

_log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Gives each request an id, the client's own if it is sane, and each answer the header `x-request-id`.

    Whatever is logged meanwhile has the id too. The observers are told of the request; what only its route knows, that
    tells the `Exchange` in the request's state.

    An error that reaches this point is a bug: it is logged, and answered with 500 in OpenAI's form, or, if the answer
    had begun, by closing the connection without its end.
    """

    def __init__(self, app: ASGIApp, *, observers: Sequence[ServerObserver] = ()) -> None:
        self._app = app
        self._observer = _Observers(observers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(ID_HEADER, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        path = scope["path"]
        received = RequestReceived(
            request_id=request_id,
            speech=path in _SPEECH_PATHS,
            method=scope["method"],
            path=path,
            traceparent=headers.get("traceparent", ""),
        )
        exchange = Exchange(self._observer, received)
        scope.setdefault("state", {}).update(request_id=request_id, exchange=exchange)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._answer(scope, receive, send, exchange)
            finally:
                exchange.end()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        async def noted_receive() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                exchange.client_left()
            return message

        async def noted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.begin(message["status"])
                MutableHeaders(scope=message).update(exchange.headers)
            await send(message)
            if message["type"] == "http.response.body":
                exchange.sent(len(message.get("body", b"")), last=not message.get("more_body", False))

        try:
            await self._app(scope, noted_receive, noted_send)
        except asyncio.CancelledError:
            # Only uvicorn cancels a request, when the server ends; it would report that as a crash.
            _log.warning("request cut off by the end of the server")
            if not exchange.begun:
                await SHUTTING_DOWN.response()(scope, receive, noted_send)
        except Exception:  # noqa: BLE001 - the last resort
            _log.exception("request crashed", path=scope["path"])
            if not exchange.begun:
                await INTERNAL_ERROR.response()(scope, receive, noted_send)


class HeadMiddleware:
    """Answers HEAD as GET is answered; uvicorn leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


class _Observers:
    """Several as one. A `ServerObserver`."""

    def __init__(self, observers: Sequence[ServerObserver]) -> None:
        self._observers = tuple(observers)

    def observe(self, event: ServerEvent) -> None:
        """All are told."""
        for observer in self._observers:
            observer.observe(event)
