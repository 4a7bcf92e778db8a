"""Ends vLLM's engine core when the process that started it is gone.

An engine core outlives a parent that died of SIGKILL and keeps its GPU memory. vLLM calls `follow_parent` in each of
its processes, through the entry point group `vllm.general_plugins`; in the engine core it starts a watch.

The watch asks for the parent's pid rather than PR_SET_PDEATHSIG, which fires when the parent's *thread* ends that made
the engine. The core's own workers need none: a pipe of vLLM's tells them that the core is gone.
"""

import multiprocessing
import os
import signal
import threading
import time

from orpheus_tts.adapters.vllm.start_report import report_failure

ENGINE_CORE = "EngineCore"
"""How vLLM names the process: EngineCore, EngineCore_DP0, ..."""
_INTERVAL = 0.5  # seconds


def follow_parent() -> None:
    """In an engine core, start watching the parent. In any process of vLLM's, report why it cannot start."""
    report_failure()
    parent = multiprocessing.parent_process()
    if parent is None or not multiprocessing.current_process().name.startswith(ENGINE_CORE):
        return
    threading.Thread(target=_die_after, args=(parent.pid,), name="parent-watch", daemon=True).start()


def _die_after(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    os.kill(os.getpid(), signal.SIGKILL)
