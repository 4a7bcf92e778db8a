"""No token comes from another slot, whatever the model would like to say and whatever the engine does to its batch."""

import asyncio
import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from running_engine import running_engine
from wild_checkpoint import legal_shares, make_wild_checkpoint

from orpheus_tts.adapters.vllm.sampling_limits import SamplingLimits, from_extra_args, to_extra_args
from orpheus_tts.adapters.vllm.slot_sampler import SlotSampler
from orpheus_tts.domain.errors import EngineError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    FIRST_AUDIO_TOKEN,
    START_OF_SPEECH,
    VOCABULARY_SIZE,
    codes_from_ids,
    ids_from_codes,
)
from orpheus_tts.domain.voices import VOICES

# vLLM and what it imports warn of their own affairs, and leave sockets to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]

CPU = torch.device("cpu")
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.2, 0.6, 1.0, 2.0]),
    top_p=st.sampled_from([1e-6, 0.3, 0.9, 1.0]),
    top_k=st.sampled_from([0, 1, 50, 4096]),
    min_p=st.sampled_from([0.0, 0.05, 1.0]),
    repetition_penalty=st.sampled_from([1.0, 1.1, 2.0]),
)


def random_logits(rows, seed):
    return torch.randn(rows, VOCABULARY_SIZE, generator=torch.Generator().manual_seed(seed)) * 3


def legal(slot):
    """Shape (VOCABULARY_SIZE,), bool: which ids may stand there, by the definition of the format."""
    ids = torch.arange(VOCABULARY_SIZE)
    first = FIRST_AUDIO_TOKEN + slot * CODEBOOK_SIZE
    return ((ids >= first) & (ids < first + CODEBOOK_SIZE)) | ((ids == END_OF_SPEECH) & (slot == 0))


def sampled_from(logits, slots, samplings, heard=()):
    """What a sampler leaves of logits whose rows are the requests 0, 1, ..., each of which has heard those ids."""
    rows = len(slots)
    sampler = SlotSampler(rows, CPU, pin_memory=False)
    for row, sampling in enumerate(samplings):
        sampler.begin(row, from_extra_args(to_extra_args(sampling)), temperature=sampling.temperature)
    sampler.commit()
    for row in range(rows):
        if len(heard):
            sampler.hear(torch.full((len(heard),), row), torch.as_tensor(heard))
    return sampler.apply(logits.clone(), torch.arange(rows), torch.as_tensor(slots), np.arange(rows))


class TestSlotSampler:
    @pytest.mark.parametrize("slot", range(CODES_PER_FRAME))
    def test_without_limits_what_is_legal_stays_as_it_is_and_nothing_else_stays(self, slot):
        logits = random_logits(1, seed=slot)
        left = sampled_from(logits, [slot], [Sampling(top_p=1.0, repetition_penalty=1.0)])
        assert torch.equal(left, logits.masked_fill(~legal(slot), -torch.inf))

    @settings(deadline=None, max_examples=25)
    @given(data=st.data(), seed=st.integers(0, 1000))
    def test_something_legal_and_nothing_else_is_left_by_any_limits(self, data, seed):
        slots = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=5))
        samplings = [data.draw(SAMPLINGS) for _ in slots]
        heard = ids_from_codes(np.random.default_rng(seed).integers(0, 4096, 700))
        left = sampled_from(random_logits(len(slots), seed), slots, samplings, heard)
        for row, slot in zip(left, slots, strict=True):
            drawn = row > -torch.inf
            assert drawn.any()
            assert not (drawn & ~legal(slot)).any()
            assert not row.isnan().any()

    @settings(deadline=None, max_examples=25)
    @given(sampling=SAMPLINGS, slot=st.integers(0, 6), seed=st.integers(0, 1000))
    def test_limits_and_penalty_are_vllms_own(self, sampling, slot, seed):
        """Its functions, on the whole vocabulary, are given what is legal."""
        from vllm.model_executor.layers.utils import apply_penalties  # noqa: PLC0415 - loads vLLM
        from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p  # noqa: PLC0415 - loads vLLM

        logits = random_logits(1, seed)
        heard = ids_from_codes(np.random.default_rng(seed).integers(0, 4096, 7 * 300))
        left = sampled_from(logits, [slot], [sampling], heard)

        expected = logits.masked_fill(~legal(slot), -torch.inf)
        prompt, output = torch.as_tensor(heard[None, :1000]), torch.as_tensor(heard[None, 1000:])
        none, penalty = torch.zeros(1), torch.tensor([sampling.repetition_penalty])
        expected = apply_penalties(expected, prompt, output, none, none, penalty)
        scaled = expected / max(sampling.temperature, 1e-5)
        shares = scaled.softmax(dim=1)
        scaled[shares < sampling.min_p * shares.max()] = -torch.inf
        top_k = torch.tensor([sampling.top_k or CODEBOOK_SIZE + 1])
        scaled = apply_top_k_top_p(scaled, top_k, torch.tensor([sampling.top_p]))
        expected[scaled == -torch.inf] = -torch.inf
        # In sums of thousands of terms, rounding moves the border of top_p by a token. Those without any probability,
        # which a low temperature leaves, may be kept or not.
        assert (((left > -torch.inf) ^ (expected > -torch.inf)) & (shares > 0)).sum() <= 1
        both = (left > -torch.inf) & (expected > -torch.inf)
        torch.testing.assert_close(left[both], expected[both])

    def test_equals_at_the_border_are_all_kept(self):
        logits = torch.zeros(1, VOCABULARY_SIZE)
        left = sampled_from(logits, [3], [Sampling(top_k=1, repetition_penalty=1.0)])
        assert (left == 0).sum() == CODEBOOK_SIZE

    def test_a_number_that_is_given_again_has_heard_nothing(self):
        logits = torch.ones(1, VOCABULARY_SIZE)
        sampler = SlotSampler(1, CPU, pin_memory=False)
        limits, first = SamplingLimits(repetition_penalty=2.0), FIRST_AUDIO_TOKEN + 5

        def row():
            return sampler.apply(logits.clone(), torch.tensor([0]), torch.tensor([0]), np.array([0]))[0]

        sampler.begin(0, limits, temperature=1.0)
        sampler.commit()
        sampler.hear(torch.tensor([0, 0]), torch.tensor([first, START_OF_SPEECH]))
        assert row()[first] == 0.5
        assert row()[first + 1] == row()[END_OF_SPEECH] == 1.0
        sampler.begin(0, limits, temperature=1.0)
        assert row()[first] == 1.0

    def test_a_request_of_vllms_own_has_no_limits(self):
        assert from_extra_args(None) == from_extra_args({"other": 1}) == SamplingLimits()
        assert not SamplingLimits().narrow
        assert not SamplingLimits().penalise


def vllm_config(requests):
    return SimpleNamespace(speculative_config=None, scheduler_config=SimpleNamespace(max_num_seqs=requests))


def vllm_params(sampling):
    return SimpleNamespace(extra_args=to_extra_args(sampling), temperature=sampling.temperature)


def drawn_slots(logits):
    """The slot of each row that had equal logits; -1 if it is not whole and alone."""
    slots = []
    for row in logits:
        ids = np.flatnonzero(row.numpy() > -np.inf)
        codes = ids[ids != END_OF_SPEECH] - FIRST_AUDIO_TOKEN
        slot = int(codes[0]) // CODEBOOK_SIZE
        whole = np.array_equal(codes, np.arange(CODEBOOK_SIZE) + slot * CODEBOOK_SIZE)
        slots.append(slot if whole and (END_OF_SPEECH in ids) == (slot == 0) else -1)
    return slots


class TestSlotProcessor:
    """Behind the interfaces of vLLM's two model runners."""

    def processor(self, place, *more, requests=4):
        from orpheus_tts.adapters.vllm.slot_processor import SlotProcessor  # noqa: PLC0415 - loads vLLM

        return SlotProcessor(vllm_config(requests), place, *more)

    def test_speculative_decoding_is_refused(self):
        from orpheus_tts.adapters.vllm.slot_processor import SlotProcessor  # noqa: PLC0415 - loads vLLM

        config = vllm_config(4)
        config.speculative_config = object()
        with pytest.raises(ValueError, match="Speculative decoding"):
            SlotProcessor(config, CPU, False)

    def test_the_likeliest_token_is_not_left_to_the_whole_vocabulary(self):
        assert not self.processor(CPU, False).is_argmax_invariant()

    @settings(deadline=None, max_examples=40)
    @given(data=st.data())
    def test_rows_of_the_first_runner_keep_their_places_in_the_frame(self, data):
        """Requests come, leave, swap rows and come back with what they had, and the last token may not be known yet."""
        from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality  # noqa: PLC0415 - loads vLLM

        processor = self.processor(CPU, False)
        batch, preempted = [], []
        for _ in range(data.draw(st.integers(1, 12))):
            removed, added, moved = [], [], []
            if batch and data.draw(st.booleans()):
                gone = data.draw(st.integers(0, len(batch) - 1))
                preempted.append(batch[gone])
                batch[gone] = batch[-1]
                if gone < len(batch) - 1:
                    moved.append((len(batch) - 1, gone, MoveDirectionality.UNIDIRECTIONAL))
                batch.pop()
                removed.append(gone)
            elif len(batch) < 4 and data.draw(st.booleans()):
                output = preempted.pop() if preempted and data.draw(st.booleans()) else []
                added.append((len(batch), vllm_params(Sampling()), [START_OF_SPEECH], output))
                batch.append(output)
            elif len(batch) > 1 and data.draw(st.booleans()):
                one, other = data.draw(st.permutations(range(len(batch))))[:2]
                batch[one], batch[other] = batch[other], batch[one]
                moved.append((one, other, MoveDirectionality.SWAP))
            changed = removed or added or moved
            processor.update_state(BatchUpdate(len(batch), removed, added, moved) if changed else None)
            if batch:
                left = processor.apply(torch.zeros(len(batch), VOCABULARY_SIZE))
                assert [len(output) % CODES_PER_FRAME for output in batch] == drawn_slots(left)
            for output in batch:
                if output and output[-1] == -1:
                    output[-1] = FIRST_AUDIO_TOKEN
                if data.draw(st.booleans()):  # or it is being prefilled still
                    output.append(data.draw(st.sampled_from([FIRST_AUDIO_TOKEN, -1])))

    def test_the_first_runner_penalises_prompt_and_answer_once_they_are_known(self):
        from vllm.v1.sample.logits_processor import BatchUpdate  # noqa: PLC0415 - loads vLLM

        processor = self.processor(CPU, False)
        prefix, output = ids_from_codes(np.arange(7)).tolist(), []
        params = vllm_params(Sampling(top_p=1.0, repetition_penalty=2.0))
        update = BatchUpdate(1, [], [(0, params, [START_OF_SPEECH, *prefix], output)], [])

        def penalised():
            nonlocal update
            processor.update_state(update)
            update = None
            row = processor.apply(torch.ones(1, VOCABULARY_SIZE))[0]
            return torch.nonzero(row == 0.5).flatten().tolist()

        assert penalised() == [FIRST_AUDIO_TOKEN]
        said = ids_from_codes(np.arange(100, 107)).tolist()
        for token in said:
            output.append(-1)
            penalised()
            output[-1] = token
        assert penalised() == [FIRST_AUDIO_TOKEN, FIRST_AUDIO_TOKEN + 100]

    @settings(deadline=None, max_examples=25)
    @given(generated=st.lists(st.integers(0, 30), min_size=1, max_size=4), seed=st.integers(0, 1000))
    def test_rows_of_the_second_runner_are_told_by_their_positions(self, generated, seed):
        """Its requests keep their numbers, its rows come in any order, and what was said is on the device."""
        rng = np.random.default_rng(seed)
        prompts = rng.integers(1, 9, 4)
        said = [ids_from_codes(rng.integers(0, 4096, 35))[:count].tolist() for count in generated]
        tokens = torch.zeros(4, 64, dtype=torch.int32)
        order = rng.permutation(4)[: len(generated)]
        for number, answer in zip(order, said, strict=True):
            tokens[number, prompts[number] : prompts[number] + len(answer)] = torch.tensor(answer, dtype=torch.int32)
        lengths = np.zeros(4, dtype=np.int32)
        lengths[order] = [prompts[number] + len(answer) for number, answer in zip(order, said, strict=True)]
        state = SimpleNamespace(
            device=CPU,
            all_token_ids=SimpleNamespace(gpu=tokens),
            prompt_len=SimpleNamespace(gpu=torch.as_tensor(prompts, dtype=torch.int32)),
            prefill_len=SimpleNamespace(np=lengths),
        )
        processor = self.processor(state)
        for number in order:
            assert processor.add_request(int(number), vllm_params(Sampling(top_p=1.0, repetition_penalty=2.0)))
        processor.apply_staged_writes()
        positions = torch.as_tensor(lengths[order] - 1)
        context = SimpleNamespace(
            expanded_idx_mapping=torch.as_tensor(order, dtype=torch.int32),
            idx_mapping_np=order,
            pos=positions,
            input_ids=tokens[torch.as_tensor(order), positions.long()],
        )
        left = processor.apply(torch.ones(len(order), VOCABULARY_SIZE), context)
        assert [count % CODES_PER_FRAME for count in generated] == drawn_slots(left)
        for row, answer in zip(left, said, strict=True):
            penalised = torch.nonzero(row == 0.5).flatten().tolist()
            assert sorted(set(answer[len(answer) % CODES_PER_FRAME :: CODES_PER_FRAME])) == penalised


@pytest.fixture(scope="module")
def wild_checkpoint(tmp_path_factory):
    return make_wild_checkpoint(tmp_path_factory.mktemp("wild"))


@pytest.fixture(scope="module")
def wild_engine(wild_checkpoint, engine_args):
    """Memory for 2,048 tokens, and steps of 64: prompts are prefilled in parts, and requests preempted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)  # it would win
        tight = {"kv_cache_memory_bytes": 2 * 1024**2, "max_num_batched_tokens": 64, "disable_log_stats": False}
        with running_engine(wild_checkpoint, {**engine_args, **tight}) as engine:
            yield engine


def preemptions():
    """By vLLM's own count, of all engines of this process."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name == "vllm:num_preemptions_total")


class TestWildModel:
    """On the real engine, on a model that would say almost anything else."""

    def test_the_bare_model_says_almost_nothing_legal(self, wild_checkpoint):
        for slot in range(CODES_PER_FRAME):
            assert legal_shares(wild_checkpoint, slot).mean() < 0.05

    def test_thirty_answers_of_all_kinds_are_legal_through_preemption_and_prefill_in_parts(self, wild_engine):
        """The budgets end anywhere in a frame. No seeds: a prompt in parts and a seed kill vLLM 0.32 on a CPU."""
        samplings = itertools.cycle(
            [
                Sampling(),
                Sampling(temperature=0.0),
                Sampling(temperature=2.0, top_p=1.0, repetition_penalty=1.0),
                Sampling(temperature=2.0, top_k=50, min_p=0.01),
                Sampling(top_k=1, repetition_penalty=2.0),
            ]
        )
        budgets = [7, 101, 211, 307, 401, 503]
        prefixes = [ids_from_codes(np.random.default_rng(n).integers(0, 4096, 7 * n)) for n in (0, 1, 20)]

        async def answer(number, sampling):
            prefix = prefixes[number % len(prefixes)]
            prompt = Prompt(f"Number {number} speaks. " * (number % 4 + 1), VOICES["tara"])
            budget = budgets[number * 5 % len(budgets)]
            ids = await wild_engine.ids(replace(sampling, max_tokens=budget), prompt=prompt, prefix=prefix)
            ended = ids[-1] == END_OF_SPEECH
            said = codes_from_ids(ids[:-1] if ended else ids, position=prefix.size)
            assert ended or said.size == budget
            if ended:
                assert said.size % CODES_PER_FRAME == 0
            return ended

        async def all_at_once():
            return await asyncio.gather(*(answer(n, s) for n, s in zip(range(30), samplings, strict=False)))

        before = preemptions()
        ended = wild_engine.run(all_at_once())
        assert True in ended
        assert False in ended
        assert preemptions() > before

    def test_a_prefix_that_is_no_whole_frames_is_refused(self, wild_engine):
        with pytest.raises(EngineError, match="not whole frames"):
            wild_engine.run(wild_engine.ids(Sampling(), prefix=ids_from_codes(np.arange(8))))
