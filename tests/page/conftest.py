"""The page in Chromium, served by real servers in processes of their own."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest

HERE = Path(__file__).parent
SCRIPTED = HERE.parent / "api" / "support" / "serve_scripted.py"


def until(check, *, seconds=20.0):
    """Poll until a check is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return value


class Server:
    """A running server, from outside."""

    def __init__(self, command, folder, **environment):
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, "TMPDIR": str(folder), **environment}, stdout=log, stderr=log
            )
        self.url = ""

    def ready(self, url):
        self.url = url
        until(lambda: self.is_healthy() or self.process.poll() is not None, seconds=60)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def is_healthy(self):
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(20)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start `orpheus-tts serve` on the embedded voice: `serve(TTS_API_KEYS="sk-one")`."""
    with ExitStack() as servers:

        def serve(**environment):
            port = free_port()
            server = Server(
                [Path(sys.executable).with_name("orpheus-tts"), "serve", "--host=127.0.0.1", f"--port={port}"],
                tmp_path_factory.mktemp("server"),
                **{"TTS_BACKEND": "embedded", "LOG_LEVEL": "debug", "TTS_LOG_FORMAT": "json", **environment},
            )
            servers.callback(server.close)
            return server.ready(f"http://127.0.0.1:{port}")

        yield serve


@pytest.fixture(scope="session")
def server(serve):
    """A server that takes long texts, in small chunks."""
    return serve(TTS_MAX_INPUT_CHARACTERS="20000", TTS_CHUNK_CHARACTERS="100", TTS_FIRST_CHUNK_CHARACTERS="60")


@pytest.fixture(scope="session")
def guarded(serve):
    """A server that wants the key sk-first for everything."""
    return serve(TTS_API_KEYS="sk-first", TTS_OPEN_LISTINGS="false")


@pytest.fixture(scope="session")
def scripted(tmp_path_factory):
    """A server that does what the text says, such as `slow 0.1` or `fail-after failed`."""
    folder, port = tmp_path_factory.mktemp("scripted"), free_port()
    options = [{"port": port}, {"journal": str(folder / "journal")}]
    server = Server([sys.executable, SCRIPTED, *map(json.dumps, options)], folder)
    try:
        yield server.ready(f"http://127.0.0.1:{port}")
    finally:
        server.close()


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="`make test-page` installs Playwright")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its path")
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium has none for root
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=sandbox)
        yield browser
        browser.close()


class Visit:
    """The page, as a person has it before them."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.requests, self.complaints = [], []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - Playwright marks what it is given
        page.on("console", lambda message: self.complaints.append((message.type, message.text)))
        page.on("pageerror", lambda error: self.complaints.append(("error", str(error))))
        page.set_default_timeout(15_000)

    def open(self, path="/ui"):
        self.page.goto(self.server.url + path)
        return self

    def loaded(self):
        self.wait("document.querySelectorAll('#voice optgroup').length > 0")
        return self

    def text(self, name):
        return self.page.locator(f"#{name}").inner_text()

    def speak(self, text, **choices):
        """Write and press Speak; a format or a voice is chosen by its value."""
        self.page.get_by_label("Text").fill(text)
        for name, value in choices.items():
            self.page.select_option(f"#{name}", value)
        self.page.get_by_role("button", name="Speak").click()

    def wait(self, expression):
        """Until it is true. Playwright's own way of waiting is forbidden by the page's policy."""
        until(lambda: self.page.evaluate(expression))

    def wait_for(self, name, pattern):
        """Until an element's text matches."""
        until(lambda: re.search(pattern, self.text(name)))

    def wait_for_sound(self):
        self.wait("loudness() > 0.01")

    def download(self):
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name="Download").click()
        return download.value

    def sound(self):
        """The samples handed to the sound card, in order, and the seconds between those pieces that came in time."""
        pieces = self.page.evaluate("scheduled.map((piece) => ({...piece, samples: [...piece.samples]}))")
        ends = [piece["when"] + len(piece["samples"]) / piece["sampleRate"] for piece in pieces]
        followed = zip(ends, pieces[1:], strict=False)
        gaps = [piece["when"] - end for end, piece in followed if end > piece["now"]]
        return np.concatenate([np.asarray(piece["samples"], np.float32) for piece in pieces]), gaps

    def orders(self):
        """All requests to speak."""
        return [request for request in self.requests if request.url.endswith("/audio/speech")]


@pytest.fixture
def visit(browser):
    """Open the page: `visit(server, color_scheme="dark")`."""
    with ExitStack() as contexts:

        def visit(server, **options):
            context = browser.new_context(**options)
            contexts.callback(context.close)
            context.add_init_script(path=HERE / "listen.js")
            return Visit(context.new_page(), server).open()

        yield visit


@pytest.fixture
def wait_until():
    return until
