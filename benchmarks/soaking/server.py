"""The server of a soak: started in a folder of its own, watched from outside, ended by SIGTERM."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

START_SECONDS = 300.0
STOP_SECONDS = 60.0
_TROUBLE = re.compile(r"Traceback|crashed", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the clients talk to.

    Attributes:
        url: Of the server, without a path.
        key: What they send; empty if none is needed.
        backend: What speaks there.
    """

    url: str
    key: str
    backend: str

    @property
    def repeats_itself(self) -> bool:
        """Whether the same text always gives the same samples."""
        return self.backend == "embedded"


@dataclass(slots=True)
class Farewell:
    """How the server ended; every list is empty if it ended well."""

    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


class OwnServer:
    """`orpheus-tts serve` in a process of its own. Use `running`."""

    def __init__(self, folder: Path, target: Target, settings: Mapping[str, str]) -> None:
        self.target = target
        self._folder = folder
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._log = folder / "log"
        port = target.url.rpartition(":")[2]
        environment = {
            "TTS_HOST": "127.0.0.1",
            "TTS_PORT": port,
            "TTS_BACKEND": target.backend,
            "TTS_API_KEYS": target.key,
            "TTS_LOG_FORMAT": "json",
            **settings,
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("orpheus-tts"), "serve"],
                cwd=folder,
                env={**os.environ, "TMPDIR": str(self._temporary), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends the soak, which then ends it
            )

    def wait_until_healthy(self) -> None:
        """Return once it can speak.

        Raises:
            RuntimeError: It ended instead, or needs too long.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The server ended with exit code {self.process.returncode}:\n{self.log()}")
            if is_healthy(self.target.url):
                return
            time.sleep(0.1)
        raise RuntimeError(f"The server was not healthy within {START_SECONDS:g} s:\n{self.log()}")

    def log(self) -> str:
        """All that it said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def trouble(self) -> list[str]:
        """What it said that no server should say."""
        return [f"in the log: {line[:300]}" for line in self.log().splitlines() if _TROUBLE.search(line)]

    def restarts(self) -> int:
        """How many workers it says it has replaced."""
        return sum(_event(line) == "worker ended" for line in self.log().splitlines())

    def processes(self) -> list[psutil.Process]:
        """It and all its children, those that are alive."""
        try:
            main = psutil.Process(self.process.pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def worker(self) -> psutil.Process | None:
        """One that speaks, if there is one now."""
        for process in self.processes():
            if role_of(process, self.process.pid) == "worker":
                return process
        return None

    def stop(self, shared_memory: set[Path]) -> Farewell:
        """End it by SIGTERM, and see what it leaves. `shared_memory`: segments that its processes had mapped."""
        farewell = Farewell()
        if self.process.poll() is not None:
            farewell.problems.append(f"it had ended by itself, with exit code {self.process.returncode}")
        children = self.processes()
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            farewell.problems.append(f"it did not end within {STOP_SECONDS:g} s of SIGTERM")
            self.process.kill()
            code = self.process.wait()
        farewell.seconds = time.monotonic() - begun
        if code != 0:
            farewell.problems.append(f"exit code {code} after SIGTERM")
        _, left = psutil.wait_procs(children, timeout=5)
        farewell.problems += [f"process {process.pid} was left" for process in left]
        for process in left:
            process.kill()
        farewell.problems += [f"file {path.name} was left" for path in self._temporary.iterdir()]
        farewell.problems += [f"shared memory {path} was left" for path in shared_memory if path.exists()]
        return farewell


@contextmanager
def running(backend: str, settings: Mapping[str, str]) -> Iterator[OwnServer]:
    """A healthy server with these settings; killed at the end if it was not stopped."""
    target = Target(url=f"http://127.0.0.1:{_free_port()}", key="sk-soak-first", backend=backend)
    with TemporaryDirectory(prefix="soak-") as folder:
        server = OwnServer(Path(folder), target, settings)
        try:
            server.wait_until_healthy()
            yield server
        finally:
            for process in server.processes():
                process.kill()
            server.process.wait()


def is_healthy(url: str) -> bool:
    """Whether a server there says that it can speak."""
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def role_of(process: psutil.Process, main: int) -> str:
    """What a process of the server does."""
    line = " ".join(process.cmdline())
    if process.pid == main:
        return "main"
    if "EngineCore" in line:
        return "engine"
    if "resource_tracker" in line:
        return "tracker"
    if process.ppid() != main:
        return "helper"
    return "worker" if "spawn_main" in line else "http"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _event(line: str) -> str | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said.get("event") if isinstance(said, dict) else None
