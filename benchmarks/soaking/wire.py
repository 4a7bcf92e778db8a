"""An HTTP client that can misbehave: it reads as slowly as it likes, or not at all, and leaves when it likes."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import h11

# Small, so that what is not read fills it at once and the server feels it.
_RECEIVE_BUFFER = 16 * 1024
_SECONDS = 300.0  # for any one step


class Wire:
    """One connection for one request. Use `connected`.

    Attributes:
        begun: When, on the monotonic clock.
    """

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.begun = time.monotonic()
        self._socket = connection
        self._host = host
        self._http = h11.Connection(h11.CLIENT)
        self._loop = asyncio.get_running_loop()

    async def post(self, path: str, body: Mapping[str, Any], key: str, *, complete: bool = True) -> None:
        """Send a request; only the first half of its body unless `complete`."""
        content = json.dumps(body).encode()
        headers = {
            "host": self._host,
            "content-type": "application/json",
            "content-length": str(len(content)),
            "authorization": f"Bearer {key}",
        }
        head = self._http.send(h11.Request(method="POST", target=path, headers=list(headers.items())))
        sent = content if complete else content[: len(content) // 2]
        await self._send((head or b"") + (self._http.send(h11.Data(data=sent)) or b""))
        if complete:
            self._http.send(h11.EndOfMessage())

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        event = await self._next()
        if not isinstance(event, h11.Response):
            raise ConnectionError(f"no answer, but {type(event).__name__}")
        return event.status_code, {name.decode(): value.decode() for name, value in event.headers}

    async def read(self) -> bytes | None:
        """Some bytes of the body; None at its end.

        Raises:
            ConnectionError: The connection broke before that.
        """
        event = await self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        return None

    async def _send(self, data: bytes) -> None:
        await asyncio.wait_for(self._loop.sock_sendall(self._socket, data), _SECONDS)

    async def _next(self) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await asyncio.wait_for(self._loop.sock_recv(self._socket, _RECEIVE_BUFFER), _SECONDS)
                self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise ConnectionError(str(error)) from error
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("closed before the answer")
        return event


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Wire, None]:
    """A connection to the server, which is dropped at the end, whatever is under way."""
    address = urlsplit(url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (address.hostname, address.port))
        yield Wire(connection, address.netloc)
