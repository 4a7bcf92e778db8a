import asyncio
import contextlib
import json
import shutil
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.litserve import channel, pool, wire
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.errors import DecoderError, EngineDeadError, InvalidRequestError, UnknownVoiceError
from orpheus_tts.domain.pcm import AudioBlock, pcm_bytes
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.ports.observer import SpeechStages


@pytest.fixture
def socket_path():
    # Not tmp_path: a socket's path has to fit in 104 bytes on some systems.
    directory = Path(tempfile.mkdtemp(prefix="channel-"))
    yield directory / "w.sock"
    shutil.rmtree(directory)


USAGE = wire.Usage(input_tokens=5, output_tokens=700)
STAGES = SpeechStages(queue=0.5, retry=0.0, prefill=0.1, frames=1 / 3, decode=1e-9, join=7.0)
CHUNK = Chunk(0, "Ah.", 0, 3, Boundary.END)


def audio(pcm, chunk=CHUNK):
    return AudioBlock(np.frombuffer(pcm, "<i2"), chunk)


class Speaker:
    """A scripted `speak` hook, of PCM, that records what became of it."""

    def __init__(self, blocks=(b"ab", b"cd"), error=None, endless=False, pause=0.0):
        self.blocks, self.error, self.endless, self.pause = blocks, error, endless, pause
        self.requests = []
        self.yielded = 0
        self.closed_at = None
        self.begun = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self, request, tell):
        self.requests.append(request)
        self.begun.set()
        first = True
        try:
            while True:
                for block in self.blocks:
                    yield wire.block_frames(audio(block), opens_chunk=first)
                    first = False
                    self.yielded += 1
                    await asyncio.sleep(self.pause)
                if self.error is not None:
                    raise self.error
                if not self.endless:
                    tell(USAGE)
                    return
        finally:
            self.closed_at = time.monotonic()
            self.closed.set()


def ignore(_account):
    """For whom it does not matter."""


@contextlib.asynccontextmanager
async def listening(path, speaker, *, healthy=True):
    server = channel.ChannelServer(speaker, lambda: healthy)
    await server.listen(path)
    try:
        yield server
    finally:
        await server.drain(0)


async def collect(path, request=None, tell=ignore):
    return [pcm_bytes(block.samples) async for block in channel.speak(path, request or {}, tell)]


async def test_blocks_arrive_whole_and_in_order(socket_path):
    blocks = [bytes([n]) * (n * 1000 + 2) for n in range(100)]
    async with listening(socket_path, Speaker(blocks)):
        assert blocks == await collect(socket_path)


async def test_every_block_arrives_with_its_chunk(socket_path):
    chunks = [
        Chunk(0, 'Grüße,\n"Welt".', 2, 16, Boundary.PARAGRAPH),
        Chunk(1, "\U0001f600 <laugh>", 20, 29, Boundary.HARD),
        Chunk(2, "世界", 29, 31, Boundary.END),
    ]
    sent = [audio(bytes([1, number, 2, 3]), chunk) for chunk in chunks for number in range(3)]

    async def hook(_request, tell):
        before = None
        for block in sent:
            yield wire.block_frames(block, opens_chunk=block.chunk != before)
            before = block.chunk
        tell(USAGE)

    async with listening(socket_path, hook):
        blocks = [block async for block in channel.speak(socket_path, {}, ignore)]
    assert [block.chunk for block in sent] == [block.chunk for block in blocks]
    assert [block.samples.tolist() for block in sent] == [block.samples.tolist() for block in blocks]


async def test_audio_of_no_chunk_is_no_answer(socket_path):
    async def hook(_request, _tell):
        yield wire.frame(wire.Kind.AUDIO, b"ab")

    async with listening(socket_path, hook):
        with pytest.raises(wire.ChannelError, match="AUDIO"):
            await collect(socket_path)


async def test_what_an_answer_took_is_told_before_it_ends(socket_path):
    told = []
    async with listening(socket_path, Speaker()):
        assert [b"ab", b"cd"] == await collect(socket_path, tell=told.append)
    assert [USAGE] == told
    assert 705 == USAGE.total_tokens


async def test_where_the_time_went_is_told_before_the_first_audio(socket_path):
    async def hook(_request, tell):
        tell(STAGES)
        yield wire.block_frames(audio(b"ab"), opens_chunk=True)
        tell(USAGE)

    told = []
    async with listening(socket_path, hook):
        async for _ in channel.speak(socket_path, {}, told.append):
            assert [STAGES] == told
    assert [STAGES, USAGE] == told


async def test_an_answer_that_fails_tells_nothing(socket_path):
    told = []
    async with listening(socket_path, Speaker(error=DecoderError("no"))):
        with pytest.raises(wire.SpeechFailureError):
            await collect(socket_path, tell=told.append)
    assert [] == told


async def test_the_worker_is_given_the_request_as_asked(socket_path):
    speaker = Speaker()
    async with listening(socket_path, speaker):
        await collect(socket_path, {"text": "Grüße \ud800 \U0001f600", "n": [1, None]})
    assert [{"text": "Grüße \ud800 \U0001f600", "n": [1, None]}] == speaker.requests


async def test_a_text_of_a_megabyte_passes(socket_path):
    speaker = Speaker()
    async with listening(socket_path, speaker):
        await collect(socket_path, {"text": "ä" * 1_000_000})
    assert 1_000_000 == len(speaker.requests[0]["text"])


async def test_one_block_larger_than_every_buffer_passes(socket_path):
    async with listening(socket_path, Speaker([b"x" * 5_000_000])):
        assert [b"x" * 5_000_000] == await collect(socket_path)


async def test_a_domain_error_crosses_with_its_kinds_field_and_code(socket_path):
    async with listening(socket_path, Speaker(error=UnknownVoiceError("bob", ["tara"]))):
        with pytest.raises(wire.SpeechFailureError) as caught:
            await collect(socket_path)
    failure = caught.value.failure
    assert ("UnknownVoiceError", "InvalidRequestError", "OrpheusError") == failure.kinds
    assert ("voice", "unknown_voice") == (failure.field, failure.code)
    assert "tara" in failure.message


async def test_blocks_before_an_error_arrive_before_it(socket_path):
    async with listening(socket_path, Speaker(error=DecoderError("no"))):
        blocks = channel.speak(socket_path, {}, ignore)
        assert [b"ab", b"cd"] == [pcm_bytes((await anext(blocks)).samples) for _ in range(2)]
        with pytest.raises(wire.SpeechFailureError, match="no"):
            await anext(blocks)


async def test_an_unexpected_error_keeps_its_details_to_itself(socket_path):
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        async with listening(socket_path, Speaker(error=RuntimeError("secret path"))):
            with pytest.raises(wire.SpeechFailureError) as caught:
                await collect(socket_path, {"request_id": "r1", "text": "private"})
    assert [("speech crashed", "r1")] == [(entry["event"], entry["request_id"]) for entry in logs]
    assert "private" not in repr(logs)
    assert () == caught.value.failure.kinds
    assert "secret" not in caught.value.failure.message


async def test_closing_the_generator_closes_the_speech_within_milliseconds(socket_path):
    speaker = Speaker(endless=True, pause=60)
    async with listening(socket_path, speaker):
        blocks = channel.speak(socket_path, {}, ignore)
        await anext(blocks)
        closing = time.monotonic()
        await blocks.aclose()
        await asyncio.wait_for(speaker.closed.wait(), 5)
        assert speaker.closed_at - closing < 0.1


async def test_cancelling_a_client_that_still_waits_closes_the_speech(socket_path):
    speaker = Speaker([b"ab"], endless=True, pause=60)
    async with listening(socket_path, speaker):
        task = asyncio.create_task(collect(socket_path))
        await asyncio.wait_for(speaker.begun.wait(), 5)
        task.cancel()
        await asyncio.wait_for(speaker.closed.wait(), 5)


async def test_a_client_that_never_reads_holds_back_its_own_speech_only(socket_path):
    greedy, normal = Speaker([bytes(8192)], endless=True), Speaker()

    def hook(request, tell):
        return (greedy if request["greedy"] else normal)(request, tell)

    async with listening(socket_path, hook):
        stuck = channel.speak(socket_path, {"greedy": True}, ignore)
        await anext(stuck)
        before = -1
        while before != greedy.yielded:
            before = greedy.yielded
            await asyncio.sleep(0.1)
        assert [b"ab", b"cd"] == await collect(socket_path, {"greedy": False})
        assert greedy.yielded == before
        assert greedy.yielded * 8192 < 2_000_000
        await stuck.aclose()
        await asyncio.wait_for(greedy.closed.wait(), 5)


async def test_a_stuck_reader_that_leaves_is_noticed(socket_path):
    speaker = Speaker([bytes(8192)], endless=True)
    async with listening(socket_path, speaker):
        _, writer = await asyncio.open_unix_connection(socket_path)
        writer.write(wire.frame(wire.Kind.SPEAK, b"{}"))
        await asyncio.sleep(0.2)
        writer.transport.abort()
        await asyncio.wait_for(speaker.closed.wait(), 5)


@pytest.mark.parametrize("cut", [0, 3, 5, 9])
async def test_a_connection_that_ends_inside_a_frame_is_a_lost_worker(socket_path, cut):
    async def answer(reader, writer):
        await wire.read_frame(reader)
        answer = wire.block_frames(audio(b"ok"), opens_chunk=True)
        writer.write(answer + wire.frame(wire.Kind.AUDIO, b"12345678")[:cut])
        writer.close()

    server = await asyncio.start_unix_server(answer, socket_path)
    blocks = channel.speak(socket_path, {}, ignore)
    assert b"ok" == pcm_bytes((await anext(blocks)).samples)
    with pytest.raises(wire.WorkerLostError):
        await anext(blocks)
    server.close()


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", struct.pack(">BI", wire.Kind.SPEAK, 2**32 - 1)])
async def test_noise_is_hung_up_on(socket_path, noise):
    async with listening(socket_path, Speaker()):
        reader, writer = await asyncio.open_unix_connection(socket_path)
        writer.write(noise)
        assert b"" == await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_nobody_listening_is_an_unavailable_worker(socket_path):
    with pytest.raises(wire.WorkerUnavailableError):
        await collect(socket_path)
    with pytest.raises(wire.WorkerUnavailableError):
        await channel.ask_health(socket_path)


async def test_a_socket_left_by_a_dead_worker_is_an_unavailable_worker(socket_path):
    server = await asyncio.start_unix_server(lambda *_: None, socket_path)
    stale = socket_path.with_name("stale.sock")
    socket_path.rename(stale)
    server.close()
    with pytest.raises(wire.WorkerUnavailableError):
        await collect(stale)
    async with listening(stale, Speaker()):
        assert [b"ab", b"cd"] == await collect(stale)


async def test_a_worker_that_drains_finishes_what_runs_and_takes_nothing_new(socket_path):
    speaker = Speaker([b"11", b"22", b"33"], pause=0.05)
    async with listening(socket_path, speaker) as server:
        running = channel.speak(socket_path, {}, ignore)
        first = await anext(running)
        draining = asyncio.create_task(server.drain(10))
        await asyncio.sleep(0)
        with pytest.raises(wire.ChannelError):
            await collect(socket_path)
        blocks = [first, *[block async for block in running]]
        assert [b"11", b"22", b"33"] == [pcm_bytes(block.samples) for block in blocks]
        await draining


async def test_a_worker_that_cannot_wait_cuts_off_what_runs(socket_path):
    speaker = Speaker(endless=True, pause=0.01)
    async with listening(socket_path, speaker) as server:
        blocks = channel.speak(socket_path, {}, ignore)
        await anext(blocks)
        await server.drain(0)
        assert speaker.closed.is_set()
        with pytest.raises(wire.WorkerLostError):
            async for _ in blocks:
                pass


@pytest.mark.parametrize("healthy", [True, False])
async def test_health_is_what_the_worker_says(socket_path, healthy):
    async with listening(socket_path, Speaker(), healthy=healthy):
        assert healthy is await channel.ask_health(socket_path)


async def test_a_worker_that_does_not_say_is_not_healthy(socket_path):
    async def say_nothing(reader, writer):
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_unix_server(say_nothing, socket_path)
    assert not await channel.ask_health(socket_path, timeout_seconds=0.05)
    await done.wait()
    server.close()


async def test_the_pool_spreads_requests_and_passes_over_dead_workers(socket_path):
    paths = [socket_path.with_name(f"w{n}.sock") for n in range(3)]
    speakers = [Speaker(endless=True, pause=60), Speaker(endless=True, pause=60)]
    async with listening(paths[0], speakers[0]), listening(paths[2], speakers[1]):
        workers = pool.WorkerPool(paths, socket_path.with_name("failing"))
        streams = [workers.speak({"n": n}, ignore) for n in range(4)]
        for stream in streams:
            await anext(stream)
        assert [2, 2] == [len(speaker.requests) for speaker in speakers]
        assert pool.Health(up=2, healthy=2) == await workers.health()
        for stream in streams:
            await stream.aclose()


async def test_a_pool_without_workers_is_loading(socket_path):
    workers = pool.WorkerPool([socket_path], socket_path.with_name("failing"))
    assert "loading" == (await workers.health()).status
    with pytest.raises(wire.WorkerUnavailableError, match="loading"):
        await anext(workers.speak({}, ignore))


@pytest.mark.parametrize(("up", "healthy", "status"), [(0, 0, "loading"), (2, 0, "unhealthy"), (2, 1, "ok")])
def test_health_has_one_word(up, healthy, status):
    assert status == pool.Health(up=up, healthy=healthy).status


@given(
    text=st.text(min_size=1).filter(str.strip),
    sampling=st.builds(
        Sampling, temperature=st.floats(0, 2), top_p=st.floats(0.1, 1), seed=st.none() | st.integers(0, 2**53 - 1)
    ),
    deadline=st.none() | st.floats(0.1, 1e6),
)
def test_a_request_survives_the_wire(text, sampling, deadline):
    request = SpeechRequest(text=text, voice="nova", sampling=sampling, deadline=deadline, request_id="r")
    sent = json.loads(wire.to_json(wire.request_to_json(request)))
    assert request == wire.request_from_json(sent)


@pytest.mark.parametrize("error", [EngineDeadError("gone"), InvalidRequestError("seed", "bad"), ValueError("x")])
def test_a_failure_survives_the_wire(error):
    failure = wire.Failure.of(error)
    assert failure == wire.Failure.from_bytes(failure.to_bytes())


def test_a_payload_beyond_the_limit_is_not_sent():
    with pytest.raises(wire.ChannelError, match="frame"):
        wire.frame(wire.Kind.AUDIO, bytes(wire.MAX_PAYLOAD_BYTES + 1))
