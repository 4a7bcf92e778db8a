"""What every `TokenGenerator` must do, as tests."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import numpy as np

from orpheus_tts.domain.errors import EngineError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH, codes_from_ids
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.ports.token_generator import TokenBatch, TokenGenerator

NO_PREFIX: TokenBatch = np.empty(0, dtype=np.int64)


class TokenGeneratorContract(ABC):
    """Subclass it, give it a `generator`, and run its `test_*` methods.

    Attributes:
        deterministic: Whether the same seed gives the same ids.
        disposable: Whether `generator` makes a new one each time, which the tests may close.
    """

    deterministic = True
    disposable = True
    prompt = Prompt("The quick brown fox jumps over the lazy dog, twice before noon.", VOICES["tara"])
    sampling = Sampling(max_tokens=70 * CODES_PER_FRAME, seed=7)

    @abstractmethod
    def generator(self) -> AbstractAsyncContextManager[TokenGenerator]:
        """A generator that is ready."""

    def running(self, generator: TokenGenerator) -> int | None:  # noqa: ARG002 - for overriding
        """How many answers the engine is working on; None if it cannot say."""
        return None

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run one test to its end."""
        asyncio.run(test)

    async def ids(
        self,
        generator: TokenGenerator,
        *,
        sampling: Sampling | None = None,
        prefix: TokenBatch = NO_PREFIX,
    ) -> TokenBatch:
        """The whole answer as one array; every batch is checked for its form."""
        batches = []
        async with aclosing(
            generator.generate(self.prompt, sampling or self.sampling, prefix=prefix, request_id="contract")
        ) as stream:
            async for batch in stream:
                assert batch.ndim == 1
                assert batch.size >= 1
                assert np.issubdtype(batch.dtype, np.integer)
                batches.append(batch)
        return np.concatenate(batches) if batches else NO_PREFIX

    def test_ids_are_audio_codes_in_their_slots_with_end_of_speech_last(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                ids = await self.ids(generator)
                ended = ids[-1] == END_OF_SPEECH
                codes = codes_from_ids(ids[:-1] if ended else ids)
                assert codes.size >= CODES_PER_FRAME
                assert ended or ids.size == self.sampling.max_tokens

        self.run(test())

    def test_the_budget_is_kept(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                for budget in (CODES_PER_FRAME, 3 * CODES_PER_FRAME):
                    ids = await self.ids(generator, sampling=Sampling(max_tokens=budget, seed=7))
                    assert ids.size == budget or (ids.size < budget and ids[-1] == END_OF_SPEECH)

        self.run(test())

    def test_an_answer_goes_on_after_its_prefix(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                whole = await self.ids(generator)
                prefix = whole[: 2 * CODES_PER_FRAME]
                rest = await self.ids(generator, prefix=prefix)
                codes_from_ids(rest[rest != END_OF_SPEECH], position=prefix.size)

        self.run(test())

    def test_the_same_seed_gives_the_same_ids(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                first, second = await self.ids(generator), await self.ids(generator)
                assert not self.deterministic or np.array_equal(first, second)

        self.run(test())

    def test_concurrent_answers_do_not_mix(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                answers = await asyncio.gather(*(self.ids(generator) for _ in range(4)))
                for ids in answers:
                    codes_from_ids(ids[ids != END_OF_SPEECH])
                    assert not self.deterministic or np.array_equal(answers[0], ids)

        self.run(test())

    def test_closing_half_way_stops_the_work_and_harms_no_other(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                other = asyncio.ensure_future(self.ids(generator))
                stream = generator.generate(self.prompt, self.sampling, prefix=NO_PREFIX, request_id="closed")
                await anext(stream)
                await stream.aclose()
                await other
                assert self.running(generator) in (0, None)

        self.run(test())

    def test_cancelling_the_consumer_stops_the_work(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                begun = asyncio.Event()

                async def consume() -> None:
                    async with aclosing(
                        generator.generate(self.prompt, self.sampling, prefix=NO_PREFIX, request_id="cancelled")
                    ) as stream:
                        async for _ in stream:
                            begun.set()
                            await asyncio.sleep(0)

                task = asyncio.ensure_future(consume())
                await begun.wait()
                task.cancel()
                await asyncio.wait([task])
                assert self.running(generator) in (0, None)
                assert (await self.ids(generator)).size

        self.run(test())

    def test_a_closed_generator_is_unhealthy_and_refuses(self) -> None:
        async def test() -> None:
            async with self.generator() as generator:
                assert generator.healthy
                if not self.disposable:
                    return
                await generator.aclose()
                await generator.aclose()
                assert not generator.healthy
                try:
                    await self.ids(generator)
                except EngineError:
                    return
                raise AssertionError("A closed generator must raise EngineDeadError.")

        self.run(test())
