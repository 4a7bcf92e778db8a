"""Run by a test, with a checkpoint and engine arguments in JSON: starts an engine, tells its processes' pids, waits."""

import json
import sys
import time

from running_engine import RunningEngine

if __name__ == "__main__":
    engine = RunningEngine(sys.argv[1], json.loads(sys.argv[2]))
    sys.stdout.write(f"pids {' '.join(str(process.pid) for process in engine.processes)}\n")
    sys.stdout.flush()
    time.sleep(600)
