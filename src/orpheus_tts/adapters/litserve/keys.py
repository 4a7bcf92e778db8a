"""API keys: who may ask for what. Plain ASGI, so that a request without a key is refused before its body is read."""

import hmac
import re
from collections.abc import Iterable, Iterator, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from orpheus_tts.adapters.litserve.errors import UNAUTHORIZED
from orpheus_tts.adapters.litserve.pages import PAGE_PATHS

# What load balancers, people and their browsers look at first; it tells nothing of anybody's requests.
_OPEN_PATHS = PAGE_PATHS | {"/", "/health", "/livez", "/openapi.json"}
# Front ends such as Open WebUI ask for these without a key.
_LISTING_PATH = re.compile(r"(?:/v1)?/(?:models(?:/.+)?|audio/(?:models|voices))")

# They tell how much is asked of the server and how it fares, but nothing of what is said, by whom or to whom.
_METRICS_PATH = "/metrics"


class KeyMiddleware:
    """Answers 401 to requests that bring none of the keys, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.

    Whatever is not known to be open needs one, unknown paths included. The number of the key, from 0, is left in the
    request's state as `key`.
    """

    def __init__(self, app: ASGIApp, *, keys: Sequence[str], open_listings: bool, open_metrics: bool) -> None:
        """Guard an application.

        Args:
            app: What to guard.
            keys: At least one; compared as UTF-8.
            open_listings: Whether models and voices are listed without a key.
            open_metrics: Whether metrics are shown without a key.
        """
        self._app = app
        self._keys = [key.encode() for key in keys]
        self._open_listings = open_listings
        self._open_metrics = open_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not self._is_open(scope):
            numbers = map(self._number, _given_keys(scope["headers"]))
            number = next((number for number in numbers if number is not None), None)
            if number is None:
                await UNAUTHORIZED.response()(scope, receive, send)
                return
            scope.setdefault("state", {})["key"] = number
        await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        listing = self._open_listings and _LISTING_PATH.fullmatch(path) is not None
        metrics = self._open_metrics and path == _METRICS_PATH
        return scope["method"] == "GET" and (listing or metrics or path in _OPEN_PATHS)

    def _number(self, given: bytes) -> int | None:
        # All of them, always: which one is nearly right must not show in the time it takes.
        same = [hmac.compare_digest(given, key) for key in self._keys]
        return same.index(True) if any(same) else None


def _given_keys(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization":
            scheme, _, key = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                yield key.strip()
