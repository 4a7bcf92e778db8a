"""What a `VllmTokenGenerator` does, whatever it runs on: subclassed by the tests on the CPU and on CUDA."""

import asyncio
import json
import math
import subprocess
import sys
import time
from contextlib import aclosing, nullcontext
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import psutil
import pytest
from running_engine import CONTEXT, PROMPT, ends, running_engine

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.errors import EngineDeadError, EngineError, PromptTooLongError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import (
    CODES_PER_FRAME,
    END_OF_SPEECH,
    VOCABULARY_SIZE,
    codes_from_ids,
    ids_from_codes,
)
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.testing import SyntheticDecoder, TokenGeneratorContract


def frames(count, *, seed=0):
    """Ids of so many random frames."""
    return ids_from_codes(np.random.default_rng(seed).integers(0, 4096, count * CODES_PER_FRAME))


async def collect(stream):
    return [batch async for batch in stream]


class OneEngine:
    """For tests that share the session's engine."""

    @pytest.fixture(autouse=True)
    def _take_engine(self, engine):
        self.engine = engine

    def run(self, test):
        self.engine.run(test)


class VllmContract(OneEngine, TokenGeneratorContract):
    """The port's contract. Closing is tested on engines of their own."""

    disposable = False

    def generator(self):
        return nullcontext(self.engine.generator)

    def running(self, generator):
        return self.engine.requests()


class VllmAnswers(OneEngine):
    """Answers, their budgets and their ends."""

    def test_an_answer_is_whole_frames_and_ends_with_end_of_speech(self):
        ids = self.engine.run(self.engine.ids(Sampling(seed=1)))
        assert ids[-1] == END_OF_SPEECH
        assert codes_from_ids(ids[:-1]).size % CODES_PER_FRAME == 0

    def test_ids_come_by_the_frame_behind_the_first_and_none_is_lost_at_the_end(self):
        async def test():
            for budget in (7, 21, 50):
                async with aclosing(self.engine.stream(Sampling(max_tokens=budget, seed=4))) as stream:
                    sizes, ids = [], []
                    async for batch in stream:
                        sizes.append(batch.size)
                        ids.extend(batch.tolist())
                assert len(sizes) <= 1 + math.ceil((len(ids) - 1) / CODES_PER_FRAME)
                assert len(ids) == budget or ids[-1] == END_OF_SPEECH

        self.engine.run(test())

    def test_eight_answers_at_once_are_all_sound(self):
        async def test():
            answers = await asyncio.gather(*(self.engine.ids(Sampling(max_tokens=70, seed=seed)) for seed in range(8)))
            for ids in answers:
                codes_from_ids(ids[ids != END_OF_SPEECH])
            assert len({ids.tobytes() for ids in answers}) == 8

        self.engine.run(test())

    def test_without_a_seed_answers_differ(self):
        async def test():
            first, second = [await self.engine.ids(Sampling(max_tokens=7)) for _ in range(2)]
            assert not np.array_equal(first, second)

        self.engine.run(test())

    def test_the_checkpoints_own_sampling_defaults_do_not_matter(self):
        """Its generation_config.json asks for top_k 1 and 14 tokens."""

        async def test():
            first, second = [await self.engine.ids(Sampling(max_tokens=70, seed=seed)) for seed in (11, 12)]
            assert max(first.size, second.size) > 14
            assert not np.array_equal(first[:7], second[:7])

        self.engine.run(test())

    @pytest.mark.parametrize("narrow", [{"top_k": 1}, {"min_p": 1.0}])
    def test_only_the_likeliest_tokens_are_drawn_if_so_asked(self, narrow):
        """Half precision has ties, so there may be two."""

        async def first_tokens(**limits):
            answers = [await self.engine.ids(Sampling(max_tokens=7, seed=seed, **limits)) for seed in range(6)]
            return {int(ids[0]) for ids in answers}

        assert len(self.engine.run(first_tokens(**narrow))) <= 2 < len(self.engine.run(first_tokens()))

    @pytest.mark.parametrize(
        "sampling",
        [
            Sampling(max_tokens=7, temperature=0.0),
            Sampling(max_tokens=7, temperature=2.0, top_p=1.0, repetition_penalty=2.0),
            Sampling(max_tokens=7, top_p=1e-6, repetition_penalty=1.0),
            Sampling(max_tokens=7, top_k=4096, min_p=1.0),
            Sampling(max_tokens=7, seed=2**53 - 1),
            Sampling(max_tokens=65_536, seed=0),
        ],
    )
    def test_the_ends_of_the_sampling_ranges_are_served(self, sampling):
        ids = self.engine.run(self.engine.ids(sampling))
        codes_from_ids(ids[:7])

    def test_a_prefix_is_gone_on_from_in_the_right_slot(self):
        ids = self.engine.run(self.engine.ids(Sampling(max_tokens=21, seed=5), prefix=frames(3)))
        codes_from_ids(ids[ids != END_OF_SPEECH], position=21)

    def test_the_budget_shrinks_to_the_context(self):
        prompt = len(self.engine.generator._input_ids(PROMPT, frames(0)))
        prefix = frames((CONTEXT - prompt - CODES_PER_FRAME) // CODES_PER_FRAME)
        room = CONTEXT - prompt - prefix.size

        async def test():
            answers = [await self.engine.ids(Sampling(seed=seed), prefix=prefix) for seed in range(3)]
            assert max(ids.size for ids in answers) == room
            assert CODES_PER_FRAME <= room < 2 * CODES_PER_FRAME
            with pytest.raises(PromptTooLongError) as raised:
                await self.engine.ids(Sampling(), prefix=np.append(prefix, frames(1)))
            assert raised.value.prompt_tokens == prompt + prefix.size + CODES_PER_FRAME
            assert raised.value.context_length == CONTEXT == self.engine.generator.context_length

        self.engine.run(test())

    def test_a_text_too_long_for_the_context_is_the_callers_error(self):
        prompt = Prompt("word " * CONTEXT, VOICES["tara"])
        with pytest.raises(PromptTooLongError) as raised:
            self.engine.run(self.engine.ids(Sampling(), prompt=prompt))
        assert raised.value.prompt_tokens == self.engine.generator.prompt_tokens(prompt)

    @pytest.mark.parametrize("text", ["<|eot_id|><custom_token_5>", "\ud800 alone", "", "你好 🎉 <laugh>"])
    def test_any_text_is_served(self, text):
        ids = self.engine.run(self.engine.ids(Sampling(max_tokens=7), prompt=Prompt(text, VOICES["tara"])))
        assert codes_from_ids(ids).size == 7

    @pytest.mark.parametrize("token", [-1, VOCABULARY_SIZE, 2**40])
    def test_an_id_that_would_kill_the_engine_is_refused(self, token):
        with pytest.raises(EngineError, match="outside the vocabulary"):
            self.engine.run(self.engine.ids(Sampling(), prefix=np.array([token])))
        assert self.engine.run(self.engine.ids(Sampling(max_tokens=7))).size == 7

    def test_what_vllm_refuses_is_an_engine_error_with_its_words(self):
        sampling = Sampling()
        object.__setattr__(sampling, "temperature", -1.0)
        with pytest.raises(EngineError, match="temperature must be non-negative"):
            self.engine.run(self.engine.ids(sampling))
        assert self.engine.generator.healthy


class VllmCancellation(OneEngine):
    """Whoever leaves takes the work along."""

    def test_closing_half_way_frees_the_engine_while_others_finish(self):
        async def test():
            others = [asyncio.ensure_future(self.engine.ids(Sampling(seed=seed))) for seed in range(3)]
            stream = self.engine.stream(Sampling(seed=9))
            await anext(stream)
            await anext(stream)
            begun = self.engine.requests()
            await stream.aclose()
            assert begun - self.engine.requests() == 1
            for ids in await asyncio.gather(*others):
                assert ids[-1] == END_OF_SPEECH
            assert self.engine.requests() == 0
            assert not await self.engine.holds_memory()

        self.engine.run(test())

    def test_an_answer_under_way_holds_memory(self):
        """So that the tests beside this one prove something."""

        async def test():
            async with aclosing(self.engine.stream(Sampling(seed=9))) as stream:
                await anext(stream)
                assert self.engine.requests() == 1
                assert await self.engine.holds_memory()

        self.engine.run(test())

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 100])
    def test_cancelling_the_consumer_at_any_moment_leaves_nothing_behind(self, turns):
        async def test():
            task = asyncio.ensure_future(self.engine.ids(Sampling(seed=9)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert self.engine.requests() == 0
            assert not await self.engine.holds_memory()

        self.engine.run(test())


class VllmSharing:
    """Requests of a synthesizer on an engine whose answers never end by themselves."""

    def test_a_reader_who_leaves_empties_the_engine_within_a_quarter_of_a_second(self, engine_args, endless_checkpoint):
        """Four chunks under way, or one of them with three in line behind it."""
        request = SpeechRequest(text="Somebody reads a long text aloud, and nobody listens any more. " * 20)

        async def leave(engine, engine_chunks):
            policy = SynthesisPolicy(chunks=ChunkLimits(max_characters=60), engine_chunks=engine_chunks)
            stream = Synthesizer(engine.generator, SyntheticDecoder(), policy=policy).stream(request)
            for _ in range(2):  # later chunks are begun once something has been heard
                await anext(stream)
            while engine.requests() < engine_chunks:
                await asyncio.sleep(0.01)
            left = time.monotonic()
            await stream.aclose()
            assert engine.requests() == 0
            assert not await engine.holds_memory()
            assert time.monotonic() - left < 0.25
            await asyncio.sleep(0.2)
            assert engine.requests() == 0

        with running_engine(endless_checkpoint, engine_args) as engine:
            for engine_chunks in (4, 1):
                engine.run(leave(engine, engine_chunks))


class VllmEnds:
    """Death and shutdown, each on an engine of its own."""

    def test_a_killed_core_ends_every_answer_with_engine_dead(self, engine_args, endless_checkpoint):
        with running_engine(endless_checkpoint, engine_args) as engine:

            async def test():
                answers = [asyncio.ensure_future(engine.ids(Sampling())) for _ in range(3)]
                paused = engine.stream(Sampling())
                await anext(paused)
                assert engine.generator.healthy
                engine.core.kill()
                done, _ = await asyncio.wait(answers, timeout=10)
                assert [type(answer.exception()) for answer in done] == [EngineDeadError] * 3
                with pytest.raises(EngineDeadError):
                    await collect(paused)
                assert not engine.generator.healthy
                with pytest.raises(EngineDeadError):
                    await engine.ids(Sampling())

            engine.run(test())

    def test_closing_ends_what_runs_and_leaves_no_process(self, engine_args, endless_checkpoint):
        with running_engine(endless_checkpoint, engine_args) as engine:

            async def test():
                answers = [asyncio.ensure_future(engine.ids(Sampling())) for _ in range(3)]
                paused = engine.stream(Sampling())
                await anext(paused)
                await engine.generator.aclose()
                assert ends(engine.processes, within=1)
                done, _ = await asyncio.wait(answers, timeout=1)
                assert [type(answer.exception()) for answer in done] == [EngineDeadError] * 3
                with pytest.raises(EngineDeadError):
                    await collect(paused)
                assert not engine.generator.healthy
                with pytest.raises(EngineDeadError):
                    await engine.ids(Sampling())
                await engine.generator.aclose()

            engine.run(test())

    def test_the_core_dies_with_its_killed_parent(self, engine_args, endless_checkpoint):
        plugins = entry_points(group="vllm.general_plugins", name="orpheus_tts_orphans")
        assert plugins, "the installed package is older than its entry point; install it again"
        script = Path(__file__).with_name("orphan_parent.py")
        command = [sys.executable, script, endless_checkpoint, json.dumps(engine_args)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
            try:
                line = next(line for line in parent.stdout if line.startswith("pids "))
                engine = [psutil.Process(int(pid)) for pid in line.split()[1:]]
            finally:
                parent.kill()
        assert engine
        assert ends(engine, within=15)
