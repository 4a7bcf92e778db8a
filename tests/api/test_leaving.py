import time

import httpx
import pytest


def ended(server, request_id):
    return server.notes("end", request_id=request_id)


@pytest.fixture
def request_id():
    return f"leaving-{time.monotonic_ns()}"


def leave_after(server, request_id, text, *, read, **fields):
    """Ask, wait until the speech has begun, perhaps read a block, and leave; when that was."""
    timeout = httpx.Timeout(20, read=20 if read else 0.3)
    with (
        httpx.Client(timeout=timeout) as client,
        client.stream(
            "POST",
            f"{server.url}/v1/audio/speech",
            json={"input": text, **fields},
            headers={"x-request-id": request_id},
        ) as answer,
    ):
        next(answer.iter_raw())
    return time.monotonic()


def test_a_client_that_leaves_ends_its_speech_within_a_quarter_of_a_second(server, wait_until, request_id):
    left = leave_after(server, request_id, "slow 60", read=True)
    [end] = wait_until(lambda: ended(server, request_id))
    assert end["time"] - left < 0.25
    assert not server.notes("complete", request_id=request_id)


@pytest.mark.parametrize(("text", "stream"), [("stuck", True), ("stuck", False), ("slow 60", False)])
def test_a_client_that_leaves_before_the_first_byte_ends_its_speech(server, wait_until, request_id, text, stream):
    with pytest.raises(httpx.ReadTimeout):
        leave_after(server, request_id, text, read=False, stream=stream)
    left = time.monotonic()
    [end] = wait_until(lambda: ended(server, request_id))
    assert end["time"] - left < 0.25


def test_a_client_that_leaves_does_not_disturb_others(server, wait_until, request_id):
    with server.speaking("slow 0.1") as other:
        leave_after(server, request_id, "endless", read=True)
        wait_until(lambda: ended(server, request_id))
        assert 44 + 48_000 == len(other.read())
