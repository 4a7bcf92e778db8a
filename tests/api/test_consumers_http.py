"""Programs that bring their own HTTP: requests as their sources write them, answers read the way they read them.

Each group names its source: repository, path and commit. What their HTTP libraries add to the headers is here too.
"""

import http.client
import io
import json
import urllib.request
from contextlib import contextmanager
from urllib.error import HTTPError

import av
import numpy as np
import openai
import pytest
import requests

KEY = "sk-orpheus"
SAMPLES = 24_000  # of the scripted second that any text is spoken as
AROUND_MP3 = 1105 + 624  # samples that the codec puts around it
AIOHTTP = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "Python/3.12 aiohttp/3.12.15"}
NODE_FETCH = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br",
    "User-Agent": "node-fetch",
    "Connection": "close",
}
AXIOS = {
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip, compress, deflate, br",
    "User-Agent": "axios/1.12.1",
    "Connection": "close",
}


@pytest.fixture(scope="module")
def openais(start):
    """A server set up as programs expect OpenAI's that name no format: mp3 by default, and a key."""
    with start({"default_format": "mp3", "api_keys": [KEY]}) as server:
        yield server.ready()


@contextmanager
def answer_to(server, headers, body, *, path="/v1/audio/speech"):
    """The answer to a POST of exactly these headers and bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", path, skip_accept_encoding=True)
    for name, value in (headers | {"Content-Length": str(len(body))}).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def stringified(value):
    """What JSON.stringify makes of it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def heard(source, **options):
    """How many samples at 24 kHz a player hears. `source`: the bytes of a file, or its path."""
    with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source), **options) as container:
        resampler = av.AudioResampler("s16", "mono", 24_000)
        frames = [*container.decode(audio=0), None]
        return sum(part.samples for frame in frames for part in resampler.resample(frame))


def assert_a_second_of_mp3(data):
    assert b"\xff\xf3" == data[:2], "no MPEG-2 layer III frame, with which a browser would know it"
    assert SAMPLES <= heard(data) <= SAMPLES + AROUND_MP3


class TestOpenWebUI:
    """open-webui/open-webui, backend/open_webui/routers/audio.py, 6adde203cd292a9e3af9c64a2ae36b603fed096a."""

    @staticmethod
    def speech(server, payload, *, key=KEY, extra=None):
        """`speech` with the engine openai, up to `raise_for_status`; the whole answer, which it keeps as an .mp3."""
        headers = {**AIOHTTP, "Content-Type": "application/json", "Authorization": f"Bearer {key}", **(extra or {})}
        with answer_to(server, headers, json.dumps(payload).encode()) as answer:
            return answer.status, answer.read()

    @pytest.mark.parametrize("params", [{}, {"response_format": "mp3", "speed": 1}])
    def test_what_it_keeps_as_mp3_is_mp3(self, openais, params):
        status, data = self.speech(openais, {"input": "Hello!", "voice": "tara", "model": "tts-1", **params})
        assert 200 == status
        assert_a_second_of_mp3(data)

    def test_a_server_without_keys_takes_its_empty_one_and_the_users_it_names(self, server):
        payload = {"input": "Hello!", "voice": "alloy", "model": "org/orpheus", "response_format": "mp3"}
        names = ("Name", "Id", "Email", "Role")
        users = {f"X-OpenWebUI-User-{name}": "J%C3%BCrgen" for name in names}
        status, data = self.speech(server, payload, key="", extra=users)
        assert 200 == status
        assert_a_second_of_mp3(data)

    def test_it_finds_the_error_it_shows(self, openais):
        status, data = self.speech(openais, {"input": "Hello!", "voice": "bob", "model": "tts-1"})
        assert 400 == status
        assert "Unknown voice 'bob'" in json.loads(data)["error"]["message"]

    def test_it_keeps_no_half_answers(self, openais):
        with pytest.raises(http.client.IncompleteRead):
            self.speech(openais, {"input": "fail-after failed", "voice": "tara", "model": "tts-1"})

    def test_it_lists_voices_and_models_without_a_key(self, openais):
        """`get_available_voices` and `get_available_models`, whose failures it hides behind six names of OpenAI's."""
        answer = requests.get(f"{openais.url}/v1/audio/voices", timeout=20)
        answer.raise_for_status()
        voices = {voice["id"]: voice["name"] for voice in answer.json().get("voices", [])}
        assert {"tara", "zoe", "pierre"} < set(voices)
        answer = requests.get(f"{openais.url}/v1/audio/models", timeout=20)
        answer.raise_for_status()
        assert "org/orpheus" == answer.json().get("models", [])[0]["id"]


class TestSillyTavern:
    """SillyTavern/SillyTavern, `/custom/generate-voice`, 1ac6780e9c7f8a24a91ddbd8efd0f638e480cbd3.

    src/endpoints/openai.js sends what public/scripts/extensions/tts/openai-compatible.js asks for.
    """

    @staticmethod
    def generate_voice(server, *, key="", **fields):
        headers = {**NODE_FETCH, "Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        body = {"input": "“Hello…” *waves*", "response_format": "mp3", "voice": "alloy", "speed": 1, "model": "tts-1"}
        with answer_to(server, headers, stringified(body | fields)) as answer:
            return answer.status, answer.read()

    def test_it_gets_mp3_whatever_the_default_is(self, server, openais):
        for there, key in ((server, ""), (openais, KEY)):
            status, data = self.generate_voice(there, key=key)
            assert 200 == status
            assert_a_second_of_mp3(data)

    @pytest.mark.parametrize("speed", [0.25, 1.35, 4])
    def test_its_speed_slider_works(self, server, speed):
        status, data = self.generate_voice(server, speed=speed)
        assert 200 == status
        assert 0 <= heard(data) - SAMPLES / speed <= AROUND_MP3 + 1

    def test_it_shows_the_text_of_an_error(self, server):
        status, data = self.generate_voice(server, voice="bob")
        assert 400 == status
        assert "Unknown voice 'bob'" in data.decode()

    def test_it_is_told_that_a_key_is_missing(self, openais):
        status, data = self.generate_voice(openais)
        assert 401 == status
        assert "TTS_API_KEYS" in data.decode()


class TestLibreChat:
    """danny-avila/LibreChat, api/server/services/Files/Audio/TTSService.js, 00b3bc32f0f5dd65befa49a0773dae7d26d8e587.

    It names no format, and pipes what comes to the browser as audio/mpeg, one answer after the other.
    """

    @staticmethod
    def pipe(server, texts, *, key=KEY, browser=None):
        """`streamAudio` with the provider openai: what the browser gets."""
        browser = io.BytesIO() if browser is None else browser
        for text in texts:
            body = {"input": text, "model": "tts-1", "voice": "nova"}
            headers = {**AXIOS, "Content-Type": "application/json", "Authorization": f"Bearer {key}"}
            with answer_to(server, headers, stringified(body)) as answer:
                assert 200 == answer.status
                while piece := answer.read1(65_536):
                    browser.write(piece)
        return browser.getvalue()

    def test_the_answers_to_pieces_of_a_message_are_one_mp3(self, openais):
        one = self.pipe(openais, ["Hello there."])
        assert_a_second_of_mp3(one)
        many = self.pipe(openais, ["First of all,", "there is more", "and an end."])
        assert one * 3 == many
        assert 3 * SAMPLES <= heard(many) <= 3 * (SAMPLES + AROUND_MP3)

    def test_the_browser_gets_speech_while_it_is_spoken(self, openais):
        pieces = []

        class Browser(io.BytesIO):
            def write(self, piece):
                pieces.append(len(piece))
                return super().write(piece)

        assert_a_second_of_mp3(self.pipe(openais, ["slow 0.05"], browser=Browser()))
        assert len(pieces) >= 5

    def test_a_key_that_is_not_set_is_no_key(self, openais):
        """Without `apiKey`, 6aa8eff1e6aaac5fdf0dd88e73062307fbc1b109 sends the word `undefined`."""
        headers = {**AXIOS, "Content-Type": "application/json", "Authorization": "undefined"}
        with answer_to(openais, headers, stringified({"input": "Hi", "voice": "nova"})) as answer:
            assert 401 == answer.status
            assert "invalid_api_key" == json.loads(answer.read())["error"]["code"]


class TestHomeAssistantOpenAITTS:
    """sfortis/openai_tts, custom_components/openai_tts, 5c8b3bebe5f4eb794522ba0268979a9430fc62d5."""

    @staticmethod
    def get_tts(server, *, extra=None, stream=False, key=KEY):
        """`OpenAITTSEngine.get_tts` of openaitts_engine.py, without its second attempt."""
        headers = {"Content-Type": "application/json", "User-Agent": "HomeAssistant-OpenAI-TTS"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        payload = {"model": "tts-1", "input": "Dinner.", "voice": "tara", "response_format": "mp3", "speed": 1.0}
        payload.update({"instructions": "softly"} | (extra or {}))
        request = urllib.request.Request(
            f"{server.url}/v1/audio/speech", data=json.dumps(payload).encode("utf-8"), headers=headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return b"".join(iter(lambda: answer.read(8192), b"")) if stream else answer.read()

    @pytest.mark.parametrize("stream", [False, True])
    def test_it_reads_mp3_of_known_length(self, openais, stream):
        """With no length in the file, `get_media_duration` of utils.py believes what ffprobe makes of the bit rate."""
        data = self.get_tts(openais, stream=stream)
        assert_a_second_of_mp3(data)
        with av.open(io.BytesIO(data)) as container:
            assert 1_000_000 <= container.duration <= 1_080_000

    def test_its_extra_payload_reaches_the_model(self, server):
        before = len(server.notes("begin"))
        assert_a_second_of_mp3(self.get_tts(server, key="", extra={"temperature": 0.3, "seed": 7, "chunk_size": 200}))
        [begun] = server.notes("begin")[before:]
        assert (0.3, 7) == (begun["sampling"]["temperature"], begun["sampling"]["seed"])

    def test_it_sees_the_status_of_an_error(self, openais):
        with pytest.raises(HTTPError) as caught:
            self.get_tts(openais, extra={"voice": "bob"})
        with caught.value as error:
            assert (400, "unknown_voice") == (error.code, json.loads(error.read())["error"]["code"])

    @pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("sk-wrong", 401)])
    def test_its_configuration_finds_out_whether_a_key_is_right(self, openais, key, status):
        """`async_validate_api_key` of config_flow.py, which lets the server say a full stop."""
        payload = {"model": "tts-1", "input": ".", "voice": "alloy", "response_format": "mp3"}
        headers = {**AIOHTTP, "Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        with answer_to(openais, headers, json.dumps(payload).encode()) as answer:
            assert status == answer.status

    @pytest.mark.parametrize(("response_format", "size"), [("mp3", 8192), ("opus", 4096)])
    def test_it_streams_a_long_message(self, openais, response_format, size):
        """`async_get_tts_stream`: pieces of at most a size, the first of them held back until they are 1,024 bytes."""
        payload = {"model": "tts-1", "input": "slow 0.05", "voice": "tara", "response_format": response_format}
        headers = {
            **AIOHTTP,
            "Content-Type": "application/json",
            "User-Agent": "HomeAssistant-OpenAI-TTS",
            "Authorization": f"Bearer {KEY}",
        }
        with answer_to(openais, headers, json.dumps(payload | {"speed": 1.0}).encode()) as answer:
            answer_type = answer.getheader("Content-Type")
            pieces = list(iter(lambda: answer.read1(size), b""))
        assert ("audio/mpeg" if response_format == "mp3" else "audio/opus") == answer_type
        assert len(pieces) >= 5
        assert SAMPLES <= heard(b"".join(pieces)) <= SAMPLES + AROUND_MP3

    @pytest.mark.parametrize("suffix", ["mp3", "wav"])
    def test_its_chime_and_the_speech_become_one(self, openais, tmp_path, suffix):
        """`process_audio` of utils.py: FFmpeg's concat demuxer, over files named by what `detect_audio_format` says."""
        data = self.get_tts(openais, extra={"response_format": suffix})
        assert (suffix == "wav") == (data[:4] == b"RIFF")
        chime, speech = tmp_path / f"chime.{suffix}", tmp_path / f"speech.{suffix}"
        write_chime(chime)
        speech.write_bytes(data)
        (tmp_path / "list").write_text(f"file '{chime}'\nfile '{speech}'\n")
        samples = heard(tmp_path / "list", format="concat", options={"safe": "0"})
        assert heard(chime) + SAMPLES <= samples <= heard(chime) + SAMPLES + AROUND_MP3


def write_chime(path):
    """Half a second of a tone at 24 kHz."""
    tone = (8000 * np.sin(np.arange(12_000) / 9)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mp3" if path.suffix == ".mp3" else "pcm_s16le", rate=24_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
        frame.sample_rate = 24_000
        container.mux([*stream.encode(frame), *stream.encode(None)])


class TestHomeAssistantCore:
    """home-assistant/core, openai_conversation/tts.py, 057855a9c952a288560fe674a8ab2bf9df2294cf; by OpenAI's client."""

    @pytest.mark.parametrize("codec", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
    async def test_it_collects_every_format(self, openais, codec):
        data = bytearray()
        async with (
            openai.AsyncOpenAI(base_url=f"{openais.url}/v1", api_key=KEY) as client,
            client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts",
                voice="marin",
                input="Hello",
                instructions="None",
                speed=1.0,
                response_format=codec,
            ) as answer,
        ):
            async for piece in answer.iter_bytes():
                data.extend(piece)
        options = {"format": "s16le", "options": {"sample_rate": "24000"}} if codec == "pcm" else {}
        assert 0 <= heard(bytes(data), **options) - SAMPLES <= 2048
