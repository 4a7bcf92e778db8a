"""A `VllmTokenGenerator` with the one event loop it belongs to, and the processes behind it."""

import asyncio
import multiprocessing
import time
from contextlib import aclosing, contextmanager

import numpy as np
import psutil

from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.voices import VOICES

NO_PREFIX = np.empty(0, dtype=np.int64)
PROMPT = Prompt("The quick brown fox jumps over the lazy dog.", VOICES["tara"])
CONTEXT = 1024


class RunningEngine:
    """Made without a running loop, as in a worker's setup; used on one loop for ever after."""

    def __init__(self, folder, engine_args):
        before = set(_engine_processes())
        self.generator = VllmTokenGenerator(
            VllmConfig(
                model=str(folder),
                max_model_len=CONTEXT,
                max_num_seqs=16,
                gpu_memory_utilization=0.2,  # two engines share a GPU at times
                engine_args=engine_args,
            )
        )
        self.processes = [process for process in _engine_processes() if process not in before]
        self.core = self.processes[0]
        self._runner = asyncio.Runner()

    def run(self, coroutine):
        return self._runner.run(coroutine)

    def stream(self, sampling, *, prompt=PROMPT, prefix=NO_PREFIX):
        return self.generator.generate(prompt, sampling, prefix=prefix, request_id="same-for-all")

    async def ids(self, sampling, *, prompt=PROMPT, prefix=NO_PREFIX):
        """The whole answer."""
        async with aclosing(self.stream(sampling, prompt=prompt, prefix=prefix)) as stream:
            batches = [batch async for batch in stream]
        assert all(batch.dtype == np.int64 and batch.ndim == 1 and batch.size for batch in batches)
        return np.concatenate(batches)

    def requests(self):
        """How many answers vLLM's front end has under way."""
        return self.generator._engine.output_processor.get_num_unfinished_requests()

    async def holds_memory(self):
        """Whether the engine core holds memory for any answer: only if not does it agree to reset its cache."""
        return not await self.generator._engine.reset_prefix_cache()

    def close(self):
        """As a worker ends: from a signal handler first, then in order."""
        self.generator.shutdown()
        self.run(self.generator.aclose())
        self._runner.close()
        assert ends(self.processes, within=10)


@contextmanager
def running_engine(folder, engine_args):
    engine = RunningEngine(folder, engine_args)
    try:
        yield engine
    finally:
        engine.close()


def ends(processes, *, within):
    """Whether all of them end within so many seconds."""
    deadline = time.monotonic() + within
    while any(_alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(_alive(process) for process in processes)


def _alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _engine_processes():
    """The engine cores that this process started, each before its own workers."""
    cores = [child.pid for child in multiprocessing.active_children() if child.name.startswith("EngineCore")]
    for core in map(psutil.Process, sorted(cores)):
        yield core
        yield from core.children(recursive=True)
