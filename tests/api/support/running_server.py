"""A real server in processes of its own, seen from outside."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

SCRIPTED = Path(__file__).with_name("serve_scripted.py")


def until(check, *, seconds=60.0):
    """Poll until a check is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server process: a script that takes two JSON objects, the host's options and the synthesizer's."""

    def __init__(self, directory, options, make, *, script=SCRIPTED):
        self.directory = directory
        self.journal = directory / "journal"
        self.journal.touch()
        self.port = options.setdefault("port", free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self._stderr = directory.joinpath("stderr").open("w")
        self.process = subprocess.Popen(
            [
                sys.executable,
                script,
                json.dumps(options),
                json.dumps({"journal": str(self.journal), **make}),
            ],
            stdout=self._stderr,
            stderr=self._stderr,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(directory)},
        )
        self._children = set()
        self._client = httpx.Client(base_url=self.url, timeout=20)

    def request(self, method, path, **options):
        # One client for all: making one costs more than most requests.
        return self._client.request(method, path, **options)

    def get(self, path):
        return self.request("GET", path)

    def speak(self, text="hello", **fields):
        return self.request("POST", "/v1/audio/speech", json={"input": text, **fields})

    @contextmanager
    def speaking(self, text, **fields):
        with self._client.stream("POST", "/v1/audio/speech", json={"input": text, **fields}) as answer:
            yield answer

    def health(self):
        """Status code of /health; None while nobody listens."""
        try:
            return self.get("/health").status_code
        except httpx.TransportError:
            return None

    def ready(self):
        until(lambda: self.health() == 200 or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        return self

    def output(self):
        return self.directory.joinpath("stderr").read_text()

    def notes(self, event=None, **data):
        """What the synthesizers wrote down."""
        notes = map(json.loads, self.journal.read_text().splitlines())
        return [note for note in notes if event in (None, note["event"]) and data.items() <= note.items()]

    def worker_pids(self):
        """Pids of the workers that were warmed up, oldest first."""
        return [note["pid"] for note in self.notes("warm-up")]

    def processes(self):
        """Every process of the server that is, or was seen, alive."""
        if self.process.poll() is None:
            main = psutil.Process(self.process.pid)
            self._children |= {main, *main.children(recursive=True)}
        return {
            process for process in self._children if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        }

    def signal(self, number, *, group=False):
        self.processes()
        (os.killpg if group else os.kill)(self.process.pid, number)

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def gone(self):
        """Wait until no process and no run directory is left."""
        until(lambda: not self.processes(), seconds=10)
        until(lambda: not list(self.directory.glob("orpheus-tts-*")), seconds=5)

    def close(self):
        for process in (alive := self.processes()):
            process.terminate() if process.pid == self.process.pid else None
        _, left = psutil.wait_procs(alive, timeout=15)
        for process in left:
            process.kill()
        self.process.wait(5)
        self._stderr.close()
        self._client.close()


def starting(tmp_path_factory, *, script=SCRIPTED, kind=Server):
    """What starts servers: `with start(fail_start="bug", options={"http_processes": 2}) as server`."""

    @contextmanager
    def start(options=None, **make):
        server = kind(tmp_path_factory.mktemp("server"), dict(options or {}), make, script=script)
        try:
            yield server
        finally:
            server.close()

    return start
