"""Starts vLLM's engine, and says in a sentence why it could not be started."""

import gc
import importlib.util
import multiprocessing
import os
import re
import traceback
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import structlog
from pydantic import ValidationError

from orpheus_tts.adapters.vllm.checkpoint import read_config
from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.orphans import ENGINE_CORE
from orpheus_tts.adapters.vllm.pruned_head import with_pruned_head
from orpheus_tts.adapters.vllm.start_report import start_report
from orpheus_tts.domain.errors import BackendUnavailableError

# How vLLM says it (v1/worker/utils.py, v1/core/kv_cache_utils.py, v1/worker/cpu_worker.py), and torch.
_TOO_LITTLE_MEMORY = re.compile(
    "less than desired GPU memory utilization|No available memory for the cache blocks|"
    "larger than the (available KV cache memory|maximum number of tokens that can be stored)|"
    "less than requested memory|out of memory"
)
_END_SECONDS = 5.0

_log = structlog.get_logger(__name__)


def require_vllm() -> None:
    """Check that vLLM is installed, without the seconds it takes to import it.

    Raises:
        BackendUnavailableError: It is not; says how to install it.
    """
    if importlib.util.find_spec("vllm") is None:
        raise BackendUnavailableError("vLLM is not installed: pip install 'orpheus-tts[vllm]'")


class EngineDoesNotFitError(BackendUnavailableError):
    """The device has not the memory that the engine was told to take; less may do."""


def start_engine(config: VllmConfig) -> Any:
    """Start an engine core in its own process and wait until it has loaded the model.

    No event loop has to run yet: the engine binds to the one on which it is first used. After a failure none of its
    processes is left.

    Returns:
        A `vllm.v1.engine.async_llm.AsyncLLM`.

    Raises:
        EngineDoesNotFitError: There is not enough memory for it.
        BackendUnavailableError: vLLM cannot be imported, does not know an argument, or failed to start.
    """
    # As vLLM's own server does. A fork would inherit this process's threads, and skip the plugin in `orphans`, because
    # vLLM loads its plugins once per process and a forked core believes that it has.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    try:
        from vllm import AsyncEngineArgs  # noqa: PLC0415 - loads torch
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415 - loads torch
    except ImportError as error:
        raise BackendUnavailableError(
            f"vLLM is installed but cannot be imported ({error}); try pip install --upgrade 'orpheus-tts[vllm]'"
        ) from error
    architectures = read_config(config.model, config.revision).get("architectures")
    arguments = with_pruned_head(config.all_engine_args, architectures)
    others = multiprocessing.active_children()
    with start_report() as report:
        try:
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except Exception as error:  # noqa: BLE001 - whatever it is, a sentence is made of it
            root = report.failure()
            reason = _reason(error) if root is None else root.reason
            _log.debug("engine failed to start", traceback=traceback.format_exc() if root is None else root.traceback)
            kind = EngineDoesNotFitError if _TOO_LITTLE_MEMORY.search(reason) else BackendUnavailableError
            failure = kind(f"vLLM could not start {config.model}: {' '.join(reason.split())}")
    _end_engine_processes(others)
    raise failure


def _end_engine_processes(others: Sequence[BaseProcess]) -> None:
    """End what a failed start has left, and with it give back its memory; `others` were there before."""
    gc.collect()  # vLLM ends its processes when the objects that stand for them go
    children = multiprocessing.active_children()
    left = [child for child in children if child.name.startswith(ENGINE_CORE) and child not in others]
    for child in left:
        child.terminate()
    for child in left:
        child.join(_END_SECONDS)
        child.kill()
        child.join()


def _reason(error: Exception) -> str:
    """What went wrong, without the dump of all arguments that vLLM's configuration classes add."""
    if isinstance(error, ValidationError):
        return "; ".join(detail["msg"] for detail in error.errors())
    return str(error) or type(error).__name__
