"""Run by a test: starts an engine on the checkpoint named on the command line, tells its processes' pids and waits."""

import sys
import time

from running_engine import RunningEngine

if __name__ == "__main__":
    engine = RunningEngine(sys.argv[1], {"enforce_eager": True})
    sys.stdout.write(f"pids {' '.join(str(process.pid) for process in engine.processes)}\n")
    sys.stdout.flush()
    time.sleep(600)
