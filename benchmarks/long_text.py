"""A chapter of 100,000 characters: total time against the engine's own, first audio, memory, and cost by length.

Printed as JSON, one part at a time. No part needs a model:

- `alone`: the use case in this process around an engine that gives each answer at sixty times real time, whose answers
  differ in length by a fifth either way. The engine's own time is that of the same chunks, as many at once, drained.
- `steady`: the same engine behind a real server, one client, pcm.
- `embedded`: the embedded voice behind a real server. eSpeak is so much faster than a model on a GPU that there, and
  only there, the rest of the way is what takes the time.
- `vllm`: real vLLM on the CPU, with a small checkpoint of the tests (`make .venv-engine/.installed`).

    .venv/bin/python benchmarks/long_text.py alone steady
    .venv/bin/python benchmarks/long_text.py embedded --characters 100000
    VLLM_CPU_KVCACHE_SPACE=1 .venv-engine/bin/python benchmarks/long_text.py vllm --characters 4000
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from modelless.plugin import python_path
from orpheus_tts.adapters.embedded import Codebook, EmbeddedTokenGenerator
from orpheus_tts.app import policy
from orpheus_tts.ports import TokenGenerator
from orpheus_tts.settings import Settings
from reading.alone import first_audio, growth, total_time
from reading.chapter import chapter
from reading.engine import drained, steady, steady_generator
from reading.served import served

POLICY = policy(Settings())
LENGTHS = (10_000, 100_000, 500_000)


def main() -> None:
    """Measure the parts asked for and print each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--characters", type=int, default=100_000, help="of the chapter; 100,000 by default")
    options = parser.parse_args()
    text = chapter(options.characters)
    for part in options.parts:
        found = asyncio.run(PARTS[part](text))
        print(json.dumps({part: found}, indent=1), flush=True)


async def _alone(text: str) -> Mapping[str, Any]:
    return {
        "total": await total_time(steady_generator(), text, POLICY),
        "first_audio": await first_audio(text, POLICY),
        "growth": await growth(LENGTHS, POLICY),
    }


async def _steady(text: str) -> Mapping[str, Any]:
    with python_path({"steady": steady}) as path:
        return await served(
            "steady",
            text,
            {"PYTHONPATH": path},
            policy=POLICY,
            engine_seconds=lambda: _alone_seconds(steady_generator(), text),
        )


async def _embedded(text: str) -> Mapping[str, Any]:
    with ThreadPoolExecutor(1) as executor:
        generator = EmbeddedTokenGenerator(Codebook(), executor=executor)
        return await served("embedded", text, {}, policy=POLICY, engine_seconds=lambda: _alone_seconds(generator, text))


async def _vllm(text: str) -> Mapping[str, Any]:
    from reading.vllm_engine import through_vllm  # noqa: PLC0415 - only there is a vLLM

    return await through_vllm(text, POLICY)


def _alone_seconds(generator: TokenGenerator, text: str) -> float:
    """What the engine takes by itself for a text."""
    begun = time.monotonic()
    asyncio.run(drained(generator, text, POLICY))
    return time.monotonic() - begun


PARTS = {"alone": _alone, "steady": _steady, "embedded": _embedded, "vllm": _vllm}

if __name__ == "__main__":
    main()
