"""What vLLM gives: tokens per second by number of streams, through `VllmTokenGenerator` and from the bare engine."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import ORPHEUS
from numpy.typing import NDArray

from gpu.machine import cuda
from gpu.results import Results
from gpu.roofline import BF16, FP8, FP8_CACHE, Precision, share_of
from gpu.sizes import Size
from gpu.streams import Answer, Rates, measure
from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator
from orpheus_tts.adapters.vllm.pruned_head import ARCHITECTURE
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH, TOKENS_PER_SECOND, codes_from_ids
from orpheus_tts.domain.voices import VOICES

PROMPT = Prompt("It was a quiet morning in the harbour when the captain first saw the light.", VOICES["tara"])
_NEAR = 1.05  # the search for the largest real-time number ends at neighbours this close


@dataclass(frozen=True, slots=True)
class Variant:
    """An engine to measure.

    Attributes:
        precision: For the roofline.
        engine_args: vLLM's words for it.
    """

    precision: Precision
    engine_args: Mapping[str, Any]


VARIANTS = {
    "engine-bf16": Variant(BF16, {}),
    "engine-fp8": Variant(FP8, {"quantization": "fp8"}),
    "engine-fp8-kv": Variant(FP8_CACHE, {"quantization": "fp8", "kv_cache_dtype": "fp8"}),
    "engine-whole-head": Variant(BF16, {"hf_overrides": {"architectures": ["LlamaForCausalLM"]}}),
}


class Engine:
    """One engine on its own event loop, and the ways to ask it.

    Args:
        generator: The engine.
        context: Tokens that a stream has behind it on average.

    Attributes:
        pruned: Whether it multiplies the drawable part of the output head only.
    """

    def __init__(self, generator: VllmTokenGenerator, *, context: int) -> None:
        self.generator = generator
        self._core: Any = generator._engine  # noqa: SLF001 - the bare engine is the baseline
        prompt = generator.prompt_tokens(PROMPT)
        self.answer_tokens = max(1, round(2 * (context - prompt) / CODES_PER_FRAME)) * CODES_PER_FRAME
        self.context = prompt + self.answer_tokens / 2
        self.pruned = self._core.model_config.hf_config.architectures == [ARCHITECTURE]
        self._serial = 0

    def ours(self, sampling: Sampling) -> Answer:
        """Through the port, as the server asks."""

        def answer(prefix: NDArray[np.int64], tokens: int) -> AsyncGenerator[Any, None]:
            asked = replace(sampling, max_tokens=max(tokens, CODES_PER_FRAME))
            return self.generator.generate(PROMPT, asked, prefix=prefix, request_id="bench")

        return answer

    def raw(self, sampling: Sampling) -> Answer:
        """From vLLM itself, with the same parameters: what the port costs is the difference."""

        def answer(prefix: NDArray[np.int64], tokens: int) -> AsyncGenerator[Any, None]:
            return self._outputs(prefix, self.generator._parameters(sampling, room=tokens))  # noqa: SLF001 - the same

        return answer

    def plain_vllm(self, sampling: Sampling) -> Answer:
        """From vLLM itself, with its own penalty and top_p, which look at the whole vocabulary."""
        from vllm import SamplingParams  # noqa: PLC0415 - loads torch
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        def answer(prefix: NDArray[np.int64], tokens: int) -> AsyncGenerator[Any, None]:
            parameters = SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                repetition_penalty=sampling.repetition_penalty,
                max_tokens=tokens,
                stop_token_ids=[END_OF_SPEECH],
                detokenize=False,
                output_kind=RequestOutputKind.DELTA,
            )
            return self._outputs(prefix, parameters)

        return answer

    async def _outputs(self, prefix: NDArray[np.int64], parameters: Any) -> AsyncGenerator[Any, None]:
        self._serial += 1
        asked = {"prompt_token_ids": self.generator._input_ids(PROMPT, prefix)}  # noqa: SLF001 - the same
        async with aclosing(self._core.generate(asked, parameters, f"raw-{self._serial}")) as outputs:
            async for output in outputs:
                yield output.outputs[0].token_ids

    async def check(self, sampling: Sampling) -> None:
        """Have one answer.

        Raises:
            TokenOutOfSlotError: It is not what Orpheus's tokens look like.
        """
        batches = [batch async for batch in self.ours(sampling)(np.empty(0, np.int64), 10 * CODES_PER_FRAME)]
        ids = np.concatenate(batches)
        codes_from_ids(ids[ids != END_OF_SPEECH])


def start(checkpoint: Path, variant: Variant, size: Size) -> VllmTokenGenerator:
    """An engine as the server starts it, for the largest number of streams.

    Raises:
        BackendUnavailableError: vLLM cannot run it here.
    """
    on_cpu = {} if cuda() else {"enforce_eager": True}  # compiling takes its CPU build minutes
    return VllmTokenGenerator(
        VllmConfig(
            model=str(checkpoint),
            max_model_len=size.max_model_len,
            max_num_seqs=max(size.streams),
            gpu_memory_utilization=size.memory_share,
            engine_args={**on_cpu, **variant.engine_args},
        )
    )


def run(results: Results, checkpoint: Path, variant: Variant, size: Size, *, bandwidth: float, until: float) -> None:
    """Measure an engine at every number of streams, then look for the largest that is real time.

    Args:
        results: Where to.
        checkpoint: Of answers that only their budget ends.
        variant: How the engine is to be.
        size: What is measured.
        bandwidth: Of the device, in bytes per second, for the share of the roofline.
        until: No more is begun after this `time.monotonic()`.

    Raises:
        BackendUnavailableError: vLLM cannot run it here.
    """
    begun = time.monotonic()
    generator = start(checkpoint, variant, size)
    results.note(start_seconds=round(time.monotonic() - begun, 1), precision=variant.precision.name)
    try:
        engine = Engine(generator, context=size.context)
        asyncio.run(_Sweep(results, engine, variant.precision, size, bandwidth=bandwidth, until=until).run())
    finally:
        generator.shutdown()


class _Sweep:
    def __init__(
        self, results: Results, engine: Engine, precision: Precision, size: Size, *, bandwidth: float, until: float
    ) -> None:
        self._results = results
        self._engine = engine
        self._precision = precision
        self._size = size
        self._bandwidth = bandwidth
        self._until = until

    async def run(self) -> None:
        size, engine = self._size, self._engine
        sampling = Sampling()
        await engine.check(sampling)
        ours, raw = engine.ours(sampling), engine.raw(sampling)
        self._results.note(context=engine.context, answer_tokens=engine.answer_tokens, pruned_head=engine.pruned)
        most, least_not = 0, None
        for streams in size.streams:
            if not await self._real_time("ours", ours, streams):
                least_not = least_not or streams
            elif least_not is None:
                most = streams
            await self._real_time("raw", raw, streams)
        while least_not is not None and most and least_not > max(most + 1, most * _NEAR) and self._time_left():
            middle = (most + least_not) // 2
            if await self._real_time("ours", ours, middle):
                most = middle
            else:
                least_not = middle
        self._results.note(real_time_streams=most, at_least=least_not is None)
        await self._real_time("raw, vLLM's sampling", engine.plain_vllm(sampling), most or size.streams[0])
        await self._engine.generator.aclose()

    async def _real_time(self, path: str, answer: Answer, streams: int) -> bool:
        """Measure a row; whether the average stream got its 82.03 tokens a second. False if there is no time left."""
        if not self._time_left():
            return False
        rates = await measure(
            answer,
            streams=streams,
            answer_tokens=self._engine.answer_tokens,
            settle=self._size.settle,
            window=self._size.window,
        )
        self._results.add(path=path, streams=streams, **self._figures(rates, streams))
        return rates.tokens_per_second >= streams * TOKENS_PER_SECOND

    def _figures(self, rates: Rates, streams: int) -> dict[str, float | None]:
        return {
            "tokens_per_second": round(rates.tokens_per_second, 1),
            "real_time": round(rates.tokens_per_second / streams / TOKENS_PER_SECOND, 3),
            "slowest": round(rates.slowest / TOKENS_PER_SECOND, 3),
            "gap_p99_ms": round(1000 * rates.gap_p99, 1),
            "batch": round(rates.batch, 2),
            "roofline": self._roofline(rates, streams),
        }

    def _roofline(self, rates: Rates, streams: int) -> float | None:
        """The share of the bandwidth; None of a checkpoint that is not of Orpheus's size."""
        if self._size.shape != ORPHEUS:
            return None
        share = share_of(
            self._bandwidth,
            self._precision,
            streams=streams,
            tokens_per_second=rates.tokens_per_second,
            context=self._engine.context,
            pruned=self._engine.pruned,
        )
        return round(share, 4)

    def _time_left(self) -> bool:
        return time.monotonic() < self._until
