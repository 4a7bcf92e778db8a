import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from orpheus_tts.adapters.prometheus import PrometheusMetrics, measure_batches, measured_generator
from orpheus_tts.adapters.prometheus.gpu import GpuCollector
from orpheus_tts.adapters.prometheus.processes import ProcessCollector
from orpheus_tts.adapters.prometheus.shared import SharedCollector, places
from orpheus_tts.ports.token_generator import PromptCounter
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

BEGIN = """
import pathlib, sys
{before}
from prometheus_client import Counter, Gauge, Histogram
from orpheus_tts.adapters.prometheus.shared import take_place
take_place(pathlib.Path(sys.argv[1]), sys.argv[2])
counter = Counter("things_total", "Things.", registry=None)
gauge = Gauge("running", "Running.", registry=None, multiprocess_mode="livesum")
counter.inc(2)
gauge.inc(3)
print("counted", flush=True)
sys.stdin.read()
"""


def begin(folder, process, before=""):
    """A process that has counted 2 things, of which 3 run, and stays."""
    script = BEGIN.format(before=before)
    child = subprocess.Popen(
        [sys.executable, "-c", script, folder, process], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert "counted\n" == child.stdout.readline()
    return child


def end(child):
    child.kill()
    child.communicate()


def figures(folder, *collectors):
    registry = CollectorRegistry()
    for collector in collectors or (SharedCollector(folder),):
        registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_processes_count_together_and_the_dead_leave_their_counts_only(tmp_path):
    first, second = begin(tmp_path, "worker-0"), begin(tmp_path, "worker-1")
    try:
        assert {"things_total": 4.0, "running": 6.0} == figures(tmp_path)
        end(first)
        assert {"things_total": 4.0, "running": 3.0} == figures(tmp_path)
    finally:
        end(first)
        end(second)
    assert {"things_total": 4.0} == figures(tmp_path)


def test_a_process_goes_on_where_its_predecessor_died(tmp_path):
    end(begin(tmp_path, "worker-0"))
    files = sorted(path.name for path in tmp_path.iterdir())
    successor = begin(tmp_path, "worker-0")
    try:
        assert {"things_total": 4.0, "running": 3.0} == figures(tmp_path)
    finally:
        end(successor)
    assert files == sorted(path.name for path in tmp_path.iterdir())


def test_it_does_not_matter_who_imported_the_library_first(tmp_path):
    child = begin(tmp_path, "worker-0", before="import prometheus_client; prometheus_client.Counter('other', 'Other.')")
    try:
        assert {"things_total": 2.0, "running": 3.0} == figures(tmp_path)
    finally:
        end(child)


def test_a_zombie_and_a_pid_given_to_another_process_are_not_taken_for_it(tmp_path):
    child = begin(tmp_path, "worker-0")
    card = tmp_path / "worker-0.pid"
    try:
        assert ["worker-0"] == [place.name for place in places(tmp_path)]
        pid, created = card.read_text().split()
        card.write_text(f"{pid} {float(created) - 60}")
        assert [] == list(places(tmp_path))
        card.write_text(f"{pid} {created}")
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # until it is dead, and a zombie still
        assert [] == list(places(tmp_path))
    finally:
        end(child)


def test_what_a_worker_starts_is_its_engine(tmp_path):
    before = "import subprocess; subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'])"
    child = begin(tmp_path, "worker-0", before=before)
    try:
        told = figures(tmp_path, ProcessCollector(tmp_path))
    finally:
        end(child)
    for name in ("worker-0", "worker-0-engine"):
        assert 1e6 < told[f'orpheus_tts_process_resident_memory_bytes{{process="{name}"}}']


def test_every_gpu_that_tells_is_shown(tmp_path):
    class NotSupportedError(Exception):
        pass

    def memory(gpu):
        if gpu == 1:
            raise NotSupportedError
        return SimpleNamespace(used=gpu + 5, total=80)

    nvml = SimpleNamespace(
        NVMLError=NotSupportedError,
        nvmlDeviceGetCount=lambda: 3,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=memory,
    )
    told = figures(tmp_path, GpuCollector(nvml))
    used, total = "orpheus_tts_gpu_memory_used_bytes", "orpheus_tts_gpu_memory_total_bytes"
    assert {
        f'{used}{{gpu="0"}}': 5,
        f'{used}{{gpu="2"}}': 7,
        f'{total}{{gpu="0"}}': 80,
        f'{total}{{gpu="2"}}': 80,
    } == told


def test_metrics_have_to_be_opened():
    with pytest.raises(RuntimeError, match="opened first"):
        PrometheusMetrics().exposition("")


def test_a_generator_that_counts_prompts_still_does_and_no_other():
    class Counting(SyntheticTokenGenerator):
        def prompt_tokens(self, prompt):
            return 7

    measured = measured_generator(Counting())
    assert isinstance(measured, PromptCounter)
    assert 7 == measured.prompt_tokens(None)
    assert not isinstance(measured_generator(SyntheticTokenGenerator()), PromptCounter)


async def test_only_a_decoder_that_tells_of_its_batches_is_asked():
    told = []

    class Telling(SyntheticDecoder):
        def tell_batches(self, listener):
            told.append(listener)

    measure_batches(SyntheticDecoder())
    measure_batches(Telling())
    [listener] = told
    listener(3)
    assert 2048 == (await SyntheticDecoder().decode(np.zeros((1, 7), dtype=np.int64))).size
