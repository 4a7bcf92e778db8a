"""What no request can make the server do, seen from inside its processes; and what no answer or log tells."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import espeakng_loader
import httpx
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from running_server import free_port, until

SUPPORT = Path(__file__).parent / "support"
SPEECH = "/v1/audio/speech"
KEY, OTHER_KEY = "sk-audited-7f", "sk-audited-8e"
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
MARK = "canary4711"
ESPEAK = espeakng_loader.get_library_path()  # loaded anew for each rendering


class Audited:
    """The server on the embedded voice, which notes what it does."""

    def __init__(self, folder):
        self.folder = folder
        self.journal = folder / "journal"
        self._log = folder / "log"
        self.port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.key = {"authorization": f"Bearer {KEY}"}
        configuration = {
            "TTS_HOST": "127.0.0.1",
            "TTS_PORT": str(self.port),
            "TTS_BACKEND": "embedded",
            "TTS_API_KEYS": f"{KEY},{OTHER_KEY}",
            "LOG_LEVEL": "debug",
            "TMPDIR": str(folder),
        }
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, SUPPORT / "serve_audited.py", self.journal],
                cwd=folder,
                env={**os.environ, **configuration},
                stdout=log,
                stderr=log,
            )

    def healthy(self):
        assert self.process.poll() is None, self.log()
        try:
            return self.client.get("/health").is_success
        except httpx.TransportError:
            return False

    def speak(self, **fields):
        return self.client.post(SPEECH, json={"input": "Hi", **fields}, headers=self.key)

    def log(self):
        return self._log.read_text()

    def notes(self, begin=0):
        """What was noted from that byte on: pid, event, arguments."""
        text = self.journal.read_bytes()[begin:].decode()
        return [(int(pid), event, said) for pid, event, said in (line.split(" ", 2) for line in text.splitlines())]

    def serving(self):
        """Pids of the processes that see anything of a request."""
        children = psutil.Process(self.process.pid).children()
        return {child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    server = Audited(tmp_path_factory.mktemp("audited"))
    try:
        until(server.healthy)
        # What is done once only, such as importing, is done now.
        for stream, name in ((True, "mp3"), (False, "flac")):
            assert server.speak(response_format=name, stream=stream, speed=2).is_success
        assert server.speak(stream_format="sse", timestamps="word", response_format="opus").is_success
        assert server.client.get("/metrics").is_success
        server.begin = server.journal.stat().st_size
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)
        server.client.close()


LURES = [
    *("/etc/{}", "../../../{}", "~/{}", "./{}", "C:\\{}", "\\\\{}\\share", "/proc/self/{}", "file:///{}", "{}\0.wav"),
    *("http://{}.invalid/a.wav", "https://127.0.0.1:9/{}", "ftp://{}.invalid", "//{}.invalid", "gopher://{}:70/_"),
    *("{}", "{}.module", "{}:attribute", "import {}", "__import__('{}')", "os.system('{}')", "{{{{{}}}}}", "%s{}%n"),
    *("$(touch {})", "`{}`", "| {}", "; {} ;", "data:audio/wav;base64,{}", "<audio src='http://{}/'/>", "[[{}]]"),
    *("cos\nsystem\n(S'touch {}'\ntR.", "!!python/object/apply:os.system ['{}']", '{{"$ref": "file:///{}"}}'),
    *("hf://{}", "s3://{}/weights", "{}/orpheus-3b", "<|eot_id|>{}", "\x01{}P", "jndi:ldap://{}/a", "/dev/{}"),
]
FIELDS = [
    *("input", "model", "voice", "response_format", "stream_format", "timestamps", "instructions", "speed", "seed"),
    # What other servers take, and this one ignores.
    *("file", "ref_audio", "reference_url", "lora", "speaker_wav", "model_path", "prompt", "language", "user"),
]
HEADERS = [
    *("x-request-id", "traceparent", "origin", "referer", "user-agent", "cookie", "accept", "accept-language", "range"),
    *("x-forwarded-for", "x-forwarded-host", "forwarded", "content-language", "if-none-match", "x-api-key", "expect"),
]
PATHS = ["/{}", "/v1/models/{}", "/ui/{}", "/docs/{}", "/v1/audio/{}", "/v1/audio/speech?file={}", "/metrics?name={}"]


class TestNothingOfARequestIsOpened:
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        lure=st.sampled_from(LURES).map(lambda lure: lure.format(MARK)),
        place=st.sampled_from([*FIELDS, "voice.id", *(f"header {name}" for name in HEADERS), *PATHS]),
    )
    @example(lure=f"../../../{MARK}", place="/ui/{}")
    @example(lure=f"/etc/{MARK}", place="voice")
    @example(lure=f"http://{MARK}.invalid/a.wav", place="input")
    @example(lure=f"{MARK}.module", place="model")
    def test_no_path_module_or_url(self, audited, lure, place):
        before = audited.journal.stat().st_size
        if place.startswith("/"):
            answer = audited.client.get(place.format(quote(lure, safe="/.")), headers=audited.key)
        elif place.startswith("header"):
            value = re.sub(r"[\r\n\0]", "", lure).encode("ascii", "ignore")
            answer = audited.client.get("/v1/models", headers={**audited.key, place.removeprefix("header "): value})
        else:
            answer = audited.speak(**({"voice": {"id": lure}} if place == "voice.id" else {place: lure}))
        assert answer.status_code in {200, 400, 404, 405, 417}, answer.text
        assert [] == [note for note in audited.notes(before) if MARK in note[2]]

    def test_whatever_is_asked_nothing_is_unpickled_run_or_looked_up(self, audited):
        assert audited.speak(input="One. <laugh> Two!", voice="leo").is_success
        done = {event for _, event, said in audited.notes(audited.begin) if ESPEAK not in said}
        assert set() == done & {
            *("pickle.find_class", "marshal.loads", "compile", "exec", "ctypes.dlopen", "socket.getaddrinfo"),
            *("socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"),
            *("urllib.Request", "import", "os.mkdir", "os.rename", "os.symlink", "os.link"),
        }

    def test_processes_are_reached_only_at_the_port_and_through_a_folder_of_their_own(self, audited):
        (folder,) = audited.folder.glob("orpheus-tts-*")
        assert 0o700 == folder.stat().st_mode & 0o777
        assert audited.speak().is_success
        sockets = [each for pid in audited.serving() for each in psutil.Process(pid).net_connections("all")]
        named = {each.laddr for each in sockets if each.family == socket.AF_UNIX and each.laddr}
        assert {str(folder / "0.sock")} == named
        assert {audited.port} == {each.laddr.port for each in sockets if each.family != socket.AF_UNIX}

    def test_nothing_of_a_request_is_written_to_disk(self, audited):
        for name in FORMATS:
            assert audited.speak(response_format=name, stream=False).is_success
            assert audited.speak(response_format=name, stream_format="sse", timestamps="word").is_success
        opened = [ast.literal_eval(said) for _, event, said in audited.notes(audited.begin) if event == "open"]
        assert [] == [path for path, _, flags in opened if flags & (os.O_WRONLY | os.O_RDWR)]

    def test_every_process_that_sees_a_request_is_listened_to(self, audited):
        noted, serving = audited.notes(), audited.serving()
        assert serving <= {pid for pid, _, _ in noted}
        # Workers are started by unpickling what the operator configured, so the hook does see it.
        assert any(event == "pickle.find_class" for pid, event, _ in noted if pid in serving)


def test_nothing_in_the_package_unpickles_or_evaluates_and_one_part_starts_a_program():
    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "subprocess", "code", "runpy", "ftplib"}
    found = []
    for path in Path(__file__).parents[2].joinpath("src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            found += [(path.name, name) for name in names if name.partition(".")[0] in forbidden | {"eval", "exec"}]
    assert [("devices.py", "subprocess")] == found  # Python itself, which looks at the GPUs before the engine does


class TestSecrets:
    def test_keys_are_in_no_log_and_no_answer(self, audited):
        answers = [
            audited.speak(input=""),
            audited.client.post(SPEECH, json={"input": "Hi"}, headers={"x-api-key": f"{KEY}x"}),
            audited.client.post(SPEECH, json={"input": "Hi"}, headers={"x-api-key": OTHER_KEY}),
            *(audited.client.get(path, headers=audited.key) for path in ("/metrics", "/", "/openapi.json", "/nothing")),
        ]
        assert [400, 401, 200, 200, 200, 200, 404] == [answer.status_code for answer in answers]
        told = audited.log() + "".join(f"{answer.headers}{answer.text}" for answer in answers)
        assert [] == [key for key in (KEY, OTHER_KEY) if key in told]


LONG = "".join(f"{number:03d}" for number in range(400))


@pytest.mark.parametrize(
    "place",
    [
        *(field for field in FIELDS if field not in {"input", "instructions"}),
        *("voice.id", "number", "array", "not JSON", "method", "header", *PATHS),
    ],
)
def test_no_error_echoes_more_than_80_characters(server, place):
    json_type = {"content-type": "application/json"}
    if place.startswith("/"):
        answer = server.get(place.format(LONG))
    elif place == "method":
        answer = server.request(LONG[:2000], SPEECH)
    elif place == "header":
        answer = server.request("POST", SPEECH, content=b"{}", headers={"content-type": f"text/{LONG}"})
    else:
        body = {
            "voice.id": json.dumps({"input": "Hi", "voice": {"id": LONG}}),
            "number": f'{{"input": "Hi", "seed": 1{LONG}}}',
            "array": json.dumps({"input": [LONG, {LONG: LONG}]}),
            "not JSON": f'{{"input": {LONG}',
        }.get(place, json.dumps({"input": "Hi", place: LONG}))
        answer = server.request("POST", SPEECH, content=body, headers=json_type)
    pieces = {LONG[begin : begin + 81] for begin in range(len(LONG) - 81)}
    assert [] == [piece for piece in pieces if piece in answer.text]


def test_a_page_of_another_site_cannot_even_ask(server):
    """What a browser sends elsewhere without a preflight: these content types only, and it never hears the answer."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"content-type": kind, "origin": "https://evil.example"}
        answer = server.request("POST", SPEECH, content=json.dumps({"input": "Hi"}), headers=headers)
        assert (400, "invalid_body") == (answer.status_code, answer.json()["error"]["code"])
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/ui", "/ui/page.js", "/docs", "/docs/swagger-ui-bundle.js"])
def test_pages_load_and_run_nothing_but_the_servers_own_files(server, path):
    headers = server.get(path).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert ("'none'", "'self'", "'self'") == (policy["default-src"], policy["script-src"], policy["connect-src"])
    assert ("'none'", "'none'", "'none'") == (policy["frame-ancestors"], policy["base-uri"], policy["form-action"])
    assert ("nosniff", "no-referrer") == (headers["x-content-type-options"], headers["referrer-policy"])
