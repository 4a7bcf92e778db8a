"""What wraps every HTTP request: its id, the last resort for errors that nobody expected, and HEAD. Plain ASGI."""

import asyncio
import re
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orpheus_tts.adapters.litserve.errors import INTERNAL_ERROR, SHUTTING_DOWN

_ID_HEADER = "x-request-id"
# Harmless in headers and logs, and long enough for any tracing scheme.
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

_log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Gives each request an id, the client's own if it is sane, and each answer the header `x-request-id`.

    An error that reaches this point is a bug: it is logged, and answered with 500 in OpenAI's form, or, if the answer
    had begun, by closing the connection without its end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_ID_HEADER, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            # Only uvicorn cancels a request, when the server ends; it would report that as a crash.
            _log.warning("request cut off by the end of the server", request_id=request_id)
            if not started:
                await SHUTTING_DOWN.response()(scope, receive, send_with_id)
        except Exception:  # noqa: BLE001 - the last resort
            _log.exception("request crashed", request_id=request_id, path=scope["path"])
            if not started:
                await INTERNAL_ERROR.response()(scope, receive, send_with_id)


class HeadMiddleware:
    """Answers HEAD as GET is answered; uvicorn leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
