"""What a request is said to have taken, and to whom."""

import pytest

from orpheus_tts import SpeechRequest, Synthesizer
from orpheus_tts.domain.errors import EngineError
from orpheus_tts.ports.observer import SpeechFinished
from orpheus_tts.testing import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator

LONG = "One sentence follows another, and each of them is there to be spoken in its turn. " * 12


class CountingGenerator(SyntheticTokenGenerator):
    """Counts a prompt's characters as its tokens."""

    def prompt_tokens(self, prompt):
        return len(prompt.spoken)


class TokenlessGenerator(SyntheticTokenGenerator):
    def prompt_tokens(self, prompt):
        raise EngineError("The tokenizer does not suit.")


async def account_of(generator, text=LONG):
    """The account that whoever asked was given before the stream ended."""
    asked = RecordingObserver()
    blocks = Synthesizer(generator, SyntheticDecoder()).stream(SpeechRequest(text=text), observer=asked)
    async for _ in blocks:
        pass
    (account,) = asked.of(SpeechFinished)
    return account


async def test_whoever_asks_is_told_what_the_synthesizers_own_observer_is_told():
    own, asked = RecordingObserver(), RecordingObserver()
    synthesizer = Synthesizer(SyntheticTokenGenerator(), SyntheticDecoder(), observer=own)
    async for _ in synthesizer.stream(SpeechRequest(text="Hello."), observer=asked):
        pass
    assert own.events == asked.events
    assert isinstance(own.events[-1], SpeechFinished)
    async for _ in synthesizer.stream(SpeechRequest(text="Hello."), observer=None):
        pass
    assert len(own.events) > len(asked.events)


async def test_each_chunks_prompt_is_counted_once():
    generator = CountingGenerator()
    account = await account_of(generator)
    assert account.chunks == len(generator.calls) > 1
    assert sum(len(prompt.spoken) for prompt, _, _ in generator.calls) == account.prompt_tokens


async def test_a_generator_that_does_not_count_leaves_it_open():
    assert (await account_of(SyntheticTokenGenerator())).prompt_tokens is None


async def test_a_prompt_that_cannot_be_counted_cannot_be_spoken():
    with pytest.raises(EngineError, match="does not suit"):
        await account_of(TokenlessGenerator())
