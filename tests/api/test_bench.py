"""`orpheus-tts bench` against our server, and against one that has nothing of ours but the route."""

import asyncio
import json
import os
import signal
import struct
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("orpheus-tts")
SECOND = b"\x01\x00" * 24_000


class Ran:
    """A bench that is over."""

    def __init__(self, status, output, errors):
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def report(self):
        return json.loads(self.output)

    @property
    def run(self):
        (run,) = self.report["runs"]
        return run


@asynccontextmanager
async def benching(folder, url, *arguments, text="hello", errors=asyncio.subprocess.PIPE):
    (folder / "texts").write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "bench", url, "--text", "texts", "--json", "-", "--warmup", "0", *arguments),
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def bench(tmp_path):
    async def run(url, *arguments, **how):
        async with benching(tmp_path, url, *arguments, **how) as process:
            output, errors = await process.communicate()
            return Ran(process.returncode, output.decode(), errors.decode())

    return run


class TestOurs:
    async def test_every_request_is_counted_and_all_its_audio(self, server, bench):
        ran = await bench(server.url, "--streams", "3", "--requests", "7")
        assert 0 == ran.status, ran.errors
        assert (7, 7, 0, {}) == tuple(ran.run[name] for name in ("requests", "completed", "interrupted", "errors"))
        assert (7.0, 7 * 48_000) == (pytest.approx(ran.run["audio"]), ran.run["size"])
        assert (1, "org/orpheus") == (ran.report["version"], ran.report["environment"]["server"]["model"])
        for measured in ("headers", "ttfa", "starved", "real_time_factor"):
            assert 7 == ran.run[measured]["count"]
        assert "7 of 7" in ran.errors

    @pytest.mark.parametrize(
        ("response_format", "stream_format"),
        [("mp3", "sse"), ("opus", "audio"), ("aac", "audio"), ("flac", "sse"), ("wav", "sse"), ("pcm", "sse")],
    )
    async def test_audio_is_measured_in_every_form(self, server, bench, response_format, stream_format):
        ran = await bench(
            *(server.url, "--requests", "2", "--format", response_format, "--stream-format", stream_format)
        )
        assert (0, 2) == (ran.status, ran.run["completed"]), ran.errors
        assert pytest.approx(2, abs=0.25 if response_format in ("mp3", "aac") else 0.01) == ran.run["audio"]

    async def test_errors_are_counted_by_their_kind(self, server, bench):
        text = "hello\nfail-before deadline\nfail-after engine\nfail-before invalid\nstuck\nhello"
        ran = await bench(server.url, "--requests", "6", "--streams", "6", "--timeout", "5", text=text)
        assert {"status 504": 1, "broken": 1, "status 400": 1, "timeout": 1} == ran.run["errors"]
        assert "No vowels." == ran.run["details"]["status 400"]
        assert (6, 2, 0) == (ran.run["requests"], ran.run["completed"], ran.status)

    async def test_among_events_an_error_is_one_of_them(self, server, bench):
        ran = await bench(server.url, "--requests", "1", "--stream-format", "sse", text="fail-after engine")
        assert ({"error event": 1}, 1) == (ran.run["errors"], ran.status)

    async def test_a_listener_starves_when_speech_comes_too_slowly(self, server, bench):
        ran = await bench(server.url, "--requests", "1", text="slow 0.3")
        # Seven blocks of 0.1 s, the first of them while what came at once is played, 0.3 s between them.
        assert 1.1 < ran.run["starved"]["max"]
        assert (1.0, True) == (ran.run["starved_streams"], ran.run["real_time_factor"]["max"] > 1)
        assert 0.25 < ran.run["gap"]["max"]

    async def test_paced_readers_read_no_more_than_they_could_have_played(self, server, bench):
        ran = await bench(server.url, "--requests", "1", "--pace", "--timeout", "3", text="endless")
        assert {"timeout": 1} == ran.run["errors"]
        assert 1 < ran.run["audio"] < 3 + 0.5 + 1

    async def test_arrivals_of_an_open_loop_do_not_wait_for_answers(self, server, bench):
        ran = await bench(server.url, "--rate", "200", "--requests", "8", "--timeout", "4", text="stuck")
        assert ({"timeout": 8}, 200.0) == (ran.run["errors"], ran.run["rate"])
        assert ran.run["seconds"] < 8 * 4

    async def test_the_largest_number_of_streams_is_found(self, server, bench):
        ran = await bench(server.url, "--find", "--most", "3", "--limit", "60000", "--requests", "2")
        report = ran.report
        assert [(1, 2), (2, 2), (3, 3)] == [(run["streams"], run["requests"]) for run in report["runs"]]
        assert (3, [True] * 3, 0) == (report["largest"], [run["real_time"] for run in report["runs"]], ran.status)
        assert "Real time up to 3 streams." in ran.errors

    async def test_none_is_found_where_nothing_is_real_time(self, server, bench):
        ran = await bench(server.url, "--find", "--requests", "1", text="slow 0.3")
        assert (0, 1) == (ran.report["largest"], ran.status)
        assert "starved p99" in ran.run["complaint"]
        assert "Not even one stream" in ran.errors

    async def test_one_run_for_each_load_and_a_picture_of_them(self, server, bench, tmp_path):
        ran = await bench(server.url, "--streams", "1,2", "--requests", "4", "--png", "bench.png")
        assert [1, 2] == [run["streams"] for run in ran.report["runs"]]
        signature, width, height = struct.unpack_from(">8s8xII", (tmp_path / "bench.png").read_bytes())
        assert (b"\x89PNG\r\n\x1a\n", True) == (signature, width > height > 400)

    async def test_ctrl_c_ends_it_and_what_was_measured_is_reported(self, server, tmp_path):
        async with benching(tmp_path, server.url, "--streams", "2", "--duration", "600", text="live") as process:
            async for line in process.stderr:
                if b"2 running" in line:
                    break
            process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
        ran = Ran(process.returncode, output.decode(), errors.decode())
        assert (0, True) == (ran.status, ran.report["interrupted"])
        assert (2, 2, 0) == tuple(ran.run[name] for name in ("requests", "interrupted", "completed"))
        assert (2, True) == (ran.run["ttfa"]["count"], ran.run["audio"] > 2)
        assert "Interrupted" in ran.errors

    async def test_on_a_terminal_a_line_tells_how_it_goes(self, server, tmp_path):
        ours, theirs = os.openpty()
        try:
            async with benching(tmp_path, server.url, "--duration", "2", text="slow 0.1", errors=theirs) as process:
                os.close(theirs)
                seen = b""
                while b"1 running" not in seen:
                    seen += await asyncio.to_thread(os.read, ours, 4096)
                await process.communicate()
        finally:
            os.close(ours)
        assert b"TTFA p50" in seen

    async def test_a_full_server_says_when_to_come_again(self, start, bench):
        with start({"max_requests": 1}) as full:
            ran = await bench(full.ready().url, "--streams", "3", "--duration", "1.5", text="slow 0.2")
        refused = ran.run["errors"]["status 503"]
        assert refused == ran.run["retry_after"]["count"] < 20
        assert 1 <= ran.run["retry_after"]["p50"]
        assert "asked to come again" in ran.errors

    @pytest.mark.parametrize(("most", "status"), [("1", 0), ("0", 1)])
    async def test_too_many_errors_are_a_failure(self, server, bench, most, status):
        text = "hello\nfail-before invalid"
        ran = await bench(server.url, "--requests", "2", "--max-errors", most, text=text)
        assert (status, 1) == (ran.status, ran.run["completed"])


async def test_where_nobody_listens_all_is_refused(bench):
    ran = await bench("http://127.0.0.1:9", "--requests", "2")
    assert ({"refused": 2}, 1, None) == (ran.run["errors"], ran.status, ran.report["environment"]["server"])
    assert "Traceback" not in ran.errors


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer-Timing: gpu;dur=1, net\r\n\r\n"
CHUNK = b"bb80\r\n" + SECOND + b"\r\n"
OF_KIND = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def foreign(*parts):
    """A server that answers anything with these bytes, one after the other, and closes; what it was asked."""
    asked = []

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            length = next(int(line.split()[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
            asked.append((head, json.loads(await reader.readexactly(length))))
        for part in parts if head.startswith(b"POST") else [b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


class TestForeign:
    async def test_nothing_of_ours_is_needed(self, bench):
        async with foreign(CHUNKED, CHUNK, CHUNK + CHUNK, b"0\r\n\r\n") as (url, asked):
            ran = await bench(url, "--requests", "2", "--api-key", "sk-key", "--body", '{"temperature": 0.4}')
        assert (0, 2, 6.0) == (ran.status, ran.run["completed"], ran.run["audio"]), ran.errors
        assert 2 * 2 == ran.run["gap"]["count"]  # three blocks each
        stages = ran.run["stages"]
        assert ["gpu", "rest"] == list(stages)
        assert ran.run["ttfa"]["mean"] == pytest.approx(sum(stage["mean"] for stage in stages.values()))
        (head, body), _ = asked
        assert head.startswith(b"POST /v1/audio/speech HTTP/1.1")
        assert b"authorization: bearer sk-key" in head.lower()
        assert {
            "input": "hello",
            "voice": "alloy",
            "model": "tts-1",
            "response_format": "pcm",
            "temperature": 0.4,
        } == body
        assert "sk-key" not in ran.output

    async def test_an_answer_may_end_with_its_connection(self, bench):
        async with foreign(b"HTTP/1.0 200 OK\r\n\r\n", SECOND, SECOND) as (url, _):
            ran = await bench(url, "--requests", "1")
        assert (1, 2.0) == (ran.run["completed"], ran.run["audio"])

    @pytest.mark.parametrize(
        ("parts", "error"),
        [
            ((CHUNKED, CHUNK), "broken"),
            ((b"",), "broken"),
            ((OF_KIND % (b"audio/pcm", 0),), "no audio"),
            ((OF_KIND % (b"audio/mpeg", 9), b"\xff\xf3\xc4\xc4zzzzz"), "wrong format"),
            ((OF_KIND % (b"text/html", 2), b"Hi"), "wrong format"),
            ((b"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\n", b"busy"), "status 429"),
            ((b"nonsense\r\n\r\n",), "broken"),
        ],
        ids=["cut off", "hung up", "empty", "another format", "a page", "refused", "no HTTP"],
    )
    async def test_what_is_wrong_is_told_apart(self, bench, parts, error):
        async with foreign(*parts) as (url, _):
            ran = await bench(url, "--requests", "1")
        assert ({error: 1}, 1) == (ran.run["errors"], ran.status), ran.errors
