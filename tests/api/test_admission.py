"""What happens beyond the limits, as clients see it: two processes that speak HTTP count together."""

import time
from contextlib import ExitStack

import openai
import pytest
from raw_client import RawClient

KEYS = ("sk-shop", "sk-home")
LIMITS = {"max_requests": 5, "max_queued_requests": 3, "max_queued_characters": 100, "max_requests_per_key": 4}


@pytest.fixture(scope="module")
def limited(start):
    with start({"http_processes": 2, "api_keys": KEYS, **LIMITS}) as server:
        yield server.ready()


@pytest.fixture
def under_way(limited, wait_until):
    """Has requests under way, of which `stuck` ones have no audio yet; at the end none are left."""
    with ExitStack() as clients:

        def begin(text, *, key=KEYS[0]):
            client = clients.enter_context(RawClient(limited)).ask(text, key=key)
            if text.startswith("slow"):
                assert 200 == client.head()[0]
            wait_until(lambda: limited.notes("begin", request_id=client.request_id))
            return client

        yield begin
    wait_until(lambda: len(limited.notes("begin")) == len(limited.notes("end")))
    time.sleep(0.1)  # the process that speaks HTTP learns of it last


@pytest.fixture
def ask(limited):
    """Asks by OpenAI's client."""

    def speak(text="Hi", *, key=KEYS[1], retries=0):
        url = f"{limited.url}/v1"
        with openai.OpenAI(base_url=url, api_key=key, timeout=20, max_retries=retries) as client:
            return client.audio.speech.create(model="tts-1", voice="alloy", input=text, response_format="pcm")

    return speak


def assert_refused(error, status, code):
    assert (status, code) == (error.status_code, error.code)
    assert 1 <= int(error.response.headers["retry-after"]) <= 60
    assert error.response.headers["retry-after"] in error.message


def test_beyond_the_limit_of_requests_nothing_is_asked_of_a_worker(limited, under_way, ask):
    for number in range(5):
        under_way("slow 60", key=KEYS[number % 2])
    begun = len(limited.notes("begin"))
    for _ in range(6):
        with pytest.raises(openai.InternalServerError) as refused:
            ask()
        assert_refused(refused.value, 503, "server_overloaded")
        assert "server_error" == refused.value.type
    assert begun == len(limited.notes("begin"))
    assert 200 == limited.get("/health").status_code


def test_one_key_has_its_own_limit_and_others_are_served(under_way, ask):
    for _ in range(4):
        under_way("slow 60", key=KEYS[0])
    for _ in range(4):
        with pytest.raises(openai.RateLimitError) as refused:
            ask(key=KEYS[0])
        assert_refused(refused.value, 429, "rate_limit_exceeded")
        assert "rate_limit_error" == refused.value.type
    assert 48_000 == len(ask(key=KEYS[1]).content)


def test_those_without_audio_have_a_limit_of_their_own(under_way, ask):
    for _ in range(3):
        under_way("stuck")
    with pytest.raises(openai.InternalServerError) as refused:
        ask()
    assert_refused(refused.value, 503, "server_overloaded")


def test_long_texts_wait_in_small_numbers_but_one_alone_is_taken(under_way, ask):
    assert 48_000 == len(ask("long " * 50).content)
    under_way("stuck " + "a" * 80)
    assert 48_000 == len(ask("short").content)
    with pytest.raises(openai.InternalServerError) as refused:
        ask("long " * 5)
    assert_refused(refused.value, 503, "server_overloaded")


def test_openais_client_comes_back_when_it_is_told_to_and_finds_a_place(under_way, ask):
    for number in range(4):
        under_way("slow 60", key=KEYS[number % 2])
    under_way("slow 0.2", key=KEYS[1])  # 1.4 s, but nobody reads it; it is small enough to be sent
    assert 48_000 == len(ask(retries=10).content)


def test_clients_that_leave_make_room(limited, under_way, ask, wait_until):
    clients = [under_way("stuck") for _ in range(3)]
    with pytest.raises(openai.InternalServerError):
        ask()
    clients[0].leave()
    wait_until(lambda: limited.notes("end", request_id=clients[0].request_id))
    time.sleep(0.1)
    assert 48_000 == len(ask().content)
