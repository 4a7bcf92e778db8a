"""What vLLM tells of itself is shown beside our own, and does not get into its way."""

import json
from pathlib import Path

import httpx
import pytest
from checkpoints import make_llama_checkpoint
from prometheus_client.parser import text_string_to_metric_families
from server_behaviour import SAMPLING, TEXT, start  # noqa: F401 - a fixture

pytestmark = pytest.mark.timeout(600)

DASHBOARD = (Path(__file__).parents[2] / "docs/grafana/orpheus-tts.json").read_text(encoding="utf-8")


def test_vllms_own_metrics_are_shown_if_they_are_on(start, engine_args, tmp_path):  # noqa: F811
    model = make_llama_checkpoint(tmp_path, end=1 / 20, sampling=SAMPLING)
    with start(model, TTS_ENGINE_ARGS=json.dumps({**engine_args, "disable_log_stats": False})) as server:
        spoken = httpx.post(f"{server.url}/v1/audio/speech", json={"input": TEXT}, timeout=240)
        spoken.raise_for_status()
        told = httpx.get(f"{server.url}/metrics", timeout=20).text
    samples = [sample for family in text_string_to_metric_families(told) for sample in family.samples]
    values = {sample.name: sample.value for sample in samples}
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"):
        assert name in DASHBOARD
        assert name in values
    assert values["vllm:generation_tokens_total"] >= values["orpheus_tts_tokens_total"] > 0
    assert values["orpheus_tts_decoder_batch_size_count"] > 0
    assert values["orpheus_tts_engine_requests"] == 0
    processes = {sample.labels["process"] for sample in samples if "process" in sample.labels}
    assert {"main", "http-0", "worker-0", "worker-0-engine"} <= processes
