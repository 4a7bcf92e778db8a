"""A client that is nothing but a socket: it reads when it is told to, or not at all, and leaves when it likes."""

import itertools
import json
import socket
import time

_numbers = itertools.count()


class RawClient:
    """One connection.

    Args:
        server: Where to.
        receive_buffer: Bytes that the kernel takes for it while it does not read; about, None for its own choice.
    """

    def __init__(self, server, *, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(20)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(("127.0.0.1", server.port))
        except OSError:
            self.socket.close()
            raise
        self.request_id = ""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def ask(self, text, *, key=None, **fields):
        """Ask for speech, and read nothing."""
        self.request_id = f"raw-{time.monotonic_ns()}-{next(_numbers)}"
        body = json.dumps({"input": text, **fields}).encode()
        lines = [
            "POST /v1/audio/speech HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/json",
            f"X-Request-Id: {self.request_id}",
            *([f"X-API-Key: {key}"] if key else []),
            f"Content-Length: {len(body)}",
        ]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self

    def head(self):
        """Read the answer's status and headers."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.socket.recv(1)
            assert part, f"the connection was closed after {data!r}"
            data += part
        status, *headers = data.decode().split("\r\n")
        return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in headers if line)

    def rest(self):
        """Read to the end of the connection."""
        data = b""
        while part := self.socket.recv(65536):
            data += part
        return data

    def leave(self):
        """Close the connection; when that was."""
        self.socket.close()
        return time.monotonic()
