"""Starts vLLM's engine, and says in a sentence why it could not be started."""

import importlib.util
import os
from typing import Any

from pydantic import ValidationError

from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.domain.errors import BackendUnavailableError


def require_vllm() -> None:
    """Check that vLLM is installed, without the seconds it takes to import it.

    Raises:
        BackendUnavailableError: It is not; says how to install it.
    """
    if importlib.util.find_spec("vllm") is None:
        raise BackendUnavailableError("vLLM is not installed: pip install 'orpheus-tts[vllm]'")


def start_engine(config: VllmConfig) -> Any:
    """Start an engine core in its own process and wait until it has loaded the model.

    No event loop has to run yet: the engine binds to the one on which it is first used.

    Returns:
        A `vllm.v1.engine.async_llm.AsyncLLM`.

    Raises:
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
    try:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**config.all_engine_args))
    except Exception as error:
        raise BackendUnavailableError(f"vLLM could not start {config.model}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What went wrong, without the dump of all arguments that vLLM's configuration classes add."""
    if isinstance(error, ValidationError):
        return "; ".join(detail["msg"] for detail in error.errors())
    return str(error) or type(error).__name__
