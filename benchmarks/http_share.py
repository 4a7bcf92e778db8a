"""How much of an engine's tokens come through HTTP: real vLLM on the CPU, by itself and behind the server, in one run.

Two engines of the same kind take turns: one in this process, asked by `AsyncLLM.generate` directly, and one in
`orpheus-tts serve`, asked by POST /v1/audio/speech for pcm; both with the same texts, prompts and parameters, each
answer followed by the next. As a GPU would be a machine of its own, both engine cores are kept on the first processor
and everything else, SNAC and the clients included, on the second. The checkpoints are made here: random content, valid
frames. Sampling without top_p and repetition penalty, which on a CPU would take longer than the model.

    .venv-engine/bin/python benchmarks/http_share.py --streams 32
    .venv-engine/bin/python benchmarks/http_share.py --stream-interval 1

Prints JSON: tokens/s of each turn, the share that comes through HTTP, and the CPU time that each front end takes for a
token. Takes about three minutes.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from soaking.server import OwnServer, role_of, running

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "engine"))  # the checkpoints are the tests'

_WORDS = ("the", "light", "on", "the", "rock", "was", "seen", "by", "all", "of", "us", "that", "night", "and", "then")
_CHARACTERS = 110
_END = 1 / 82  # of an answer at the end of a frame: seven seconds of speech, about what the texts take
_ENGINE_CORE, _THE_REST = 0, 1  # processors
_SETTLE_SECONDS = 3.0
_MAX_MODEL_LEN = 2048
_TOKENS = re.compile(r"^orpheus_tts_tokens_total (\S+)$", re.MULTILINE)

Ask = Callable[[str], Coroutine[Any, Any, None]]


def main() -> None:
    """Measure and print."""
    options = _options()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = str(_ENGINE_CORE)
    engine_args = {"enforce_eager": True} | (
        {} if options.stream_interval is None else {"stream_interval": options.stream_interval}
    )
    with TemporaryDirectory(prefix="http-share-") as folder:
        model, snac = _checkpoints(Path(folder), options.hidden)
        with running("vllm", _settings(model, snac, engine_args, options.streams)) as server:
            found = asyncio.run(_measure(server, model, engine_args, options))
    print(json.dumps({**vars(options), **found}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=32, help="at once; 32 by default")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; 3 by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="that a turn is measured for; 10 by default")
    parser.add_argument("--hidden", type=int, default=256, help="width of the model: what a step costs; 256 by default")
    parser.add_argument("--stream-interval", type=int, help="vLLM's; the adapter's own choice by default")
    return parser.parse_args()


def _checkpoints(folder: Path, hidden: int) -> tuple[Path, Path]:
    from checkpoints import LlamaShape, make_llama_checkpoint  # noqa: PLC0415 - torch, and not in the engine's process
    from snac_checkpoint import make_snac_checkpoint  # noqa: PLC0415 - likewise

    from orpheus_tts.domain.speech import Sampling  # noqa: PLC0415 - with them

    shape = LlamaShape(hidden=hidden, intermediate=4 * hidden, layers=2, heads=2, kv_heads=2)
    sampling = Sampling(top_p=1.0, repetition_penalty=1.0)
    model = make_llama_checkpoint(folder / "model", end=_END, sampling=sampling, shape=shape)
    # A hundredth of SNAC's work, as if it had a device of its own.
    return model, make_snac_checkpoint(folder / "snac", encoder_dim=8, decoder_dim=64)


def _settings(model: Path, snac: Path, engine_args: dict[str, Any], streams: int) -> dict[str, str]:
    return {
        "TTS_MODEL_NAME": str(model),
        "SNAC_MODEL": str(snac),
        "SNAC_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
        "TTS_MAX_MODEL_LEN": str(_MAX_MODEL_LEN),
        "TTS_MAX_NUM_SEQS": str(streams),
        "TTS_ENGINE_ARGS": json.dumps(engine_args),
        "TTS_TOP_P": "1",
        "TTS_REPETITION_PENALTY": "1",
        "TTS_MAX_ATTEMPTS": "10",  # these checkpoints end when chance has it, not when the text does
    }


async def _measure(
    server: OwnServer, model: Path, engine_args: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator  # noqa: PLC0415 - loads torch

    config = VllmConfig(
        model=str(model), max_model_len=_MAX_MODEL_LEN, max_num_seqs=options.streams, engine_args=engine_args
    )
    generator = await asyncio.to_thread(VllmTokenGenerator, config)
    texts = [_text(number) for number in range(options.streams)]
    turns: dict[str, list[dict[str, float]]] = {"raw": [], "http": []}
    try:
        _pin([*server.processes(), psutil.Process(), *psutil.Process().children(recursive=True)], server)
        async with httpx.AsyncClient(
            base_url=server.target.url, headers={"Authorization": f"Bearer {server.target.key}"}, timeout=120
        ) as http:
            raw, speech = _RawEngine(generator), _Speech(http, server)
            for _ in range(options.rounds):
                turns["raw"].append(await _turn(raw, texts, options.seconds))
                turns["http"].append(await _turn(speech, texts, options.seconds))
    finally:
        await generator.aclose()
    rates = {name: [turn["tokens_per_second"] for turn in each] for name, each in turns.items()}
    shares = [through / alone for alone, through in zip(rates["raw"], rates["http"], strict=True)]
    return {
        **turns,
        "step_ms": round(1000 * options.streams / statistics.median(rates["raw"]), 2),
        "shares": [round(share, 4) for share in shares],
        "share": round(sum(rates["http"]) / sum(rates["raw"]), 4),
    }


class _RawEngine:
    """The engine itself, without anything of the server around it."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        self._serial = itertools.count()
        self._tokens = 0

    async def tokens(self) -> float:
        """How many came so far."""
        return self._tokens

    def cpu(self) -> float:
        """Seconds of its front end so far, the engine core's left out."""
        return time.process_time()

    async def ask(self, text: str) -> None:
        """One answer. The prompt and the parameters are those that the adapter would give."""
        from orpheus_tts.domain.prompt import Prompt, prompt_ids  # noqa: PLC0415 - the domain, but after the checkpoints
        from orpheus_tts.domain.speech import Sampling  # noqa: PLC0415 - likewise
        from orpheus_tts.domain.voices import VOICES  # noqa: PLC0415 - likewise

        generator = self._generator
        ids = prompt_ids(generator._tokenizer.encode(Prompt(text, VOICES["tara"]).spoken))  # noqa: SLF001 - what is measured
        sampling = Sampling(top_p=1.0, repetition_penalty=1.0)
        parameters = generator._parameters(sampling, room=_MAX_MODEL_LEN - len(ids))  # noqa: SLF001 - likewise
        engine_id = f"raw-{next(self._serial)}"
        async with aclosing(
            generator._engine.generate({"prompt_token_ids": ids}, parameters, engine_id)  # noqa: SLF001 - likewise
        ) as outputs:
            async for output in outputs:
                self._tokens += len(output.outputs[0].token_ids)


class _Speech:
    """The same behind the server, as clients get it."""

    def __init__(self, http: httpx.AsyncClient, server: OwnServer) -> None:
        self._http = http
        self._server = server

    async def tokens(self) -> float:
        """How many the server has had from its engine so far."""
        found = _TOKENS.search((await self._http.get("/metrics")).text)
        return float(found[1]) if found else 0.0

    def cpu(self) -> float:
        """Seconds of its processes so far, the engine core's left out; SNAC is among them."""
        times = [process.cpu_times() for process in self._server.processes() if self._is_front(process)]
        return float(sum(each.user + each.system for each in times))

    def _is_front(self, process: psutil.Process) -> bool:
        return role_of(process, self._server.process.pid) in {"main", "http", "worker"}

    async def ask(self, text: str) -> None:
        """One answer, read to its end."""
        body = {"input": text, "response_format": "pcm"}
        async with self._http.stream("POST", "/v1/audio/speech", json=body) as response:
            response.raise_for_status()
            async for _ in response.aiter_raw():
                pass


async def _turn(side: _RawEngine | _Speech, texts: Sequence[str], seconds: float) -> dict[str, float]:
    """Tokens a second while everybody asks again and again."""
    async with _asking(side.ask, texts):
        await asyncio.sleep(_SETTLE_SECONDS)
        begun, tokens, cpu = time.monotonic(), await side.tokens(), side.cpu()
        await asyncio.sleep(seconds)
        wall, tokens, cpu = time.monotonic() - begun, await side.tokens() - tokens, side.cpu() - cpu
    await asyncio.sleep(1.0)
    return {"tokens_per_second": round(tokens / wall, 1), "front_end_cpu_us_per_token": round(1e6 * cpu / tokens, 1)}


@asynccontextmanager
async def _asking(ask: Ask, texts: Sequence[str]) -> AsyncIterator[None]:
    async def again_and_again(text: str) -> None:
        while True:
            await ask(text)

    tasks = [asyncio.create_task(again_and_again(text)) for text in texts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception):
                raise end


def _pin(processes: Sequence[psutil.Process], server: OwnServer) -> None:
    """Keep the engine cores on one processor, and all other threads on another."""
    for process in processes:
        processor = _ENGINE_CORE if role_of(process, server.process.pid) == "engine" else _THE_REST
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {processor})


def _text(number: int) -> str:
    """A text of its own for each stream."""
    words = [_WORDS[(number + place) % len(_WORDS)] for place in range(_CHARACTERS)]
    return f"{number} " + " ".join(words)[:_CHARACTERS].strip() + "."


if __name__ == "__main__":
    main()
