"""The GPU benchmark's arithmetic, its streams against an engine that is no engine, and its tables."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orpheus_config import ORPHEUS

from gpu.report import markdown, table
from gpu.results import Results, read
from gpu.roofline import (
    BF16,
    FP8,
    FP8_CACHE,
    GPUS,
    PRECISIONS,
    known_gpu,
    memory_streams,
    real_time_streams,
    share_of,
    weight_bytes,
)
from gpu.streams import measure, random_prefix
from orpheus_tts.adapters.vllm.fitting import model_size
from orpheus_tts.domain.tokens import TOKENS_PER_SECOND, codes_from_ids

H200 = 4.8e12
GPU = st.sampled_from(GPUS)
PRECISION = st.sampled_from(PRECISIONS)
CONTEXTS = st.integers(50, 4000)
SHARES = st.floats(0.3, 1.0)


@pytest.mark.parametrize(
    ("precision", "share", "streams"),
    [(BF16, 1.0, 738), (BF16, 0.6, 405), (FP8_CACHE, 1.0, 1521), (FP8_CACHE, 0.6, 871)],
)
def test_one_h200_feeds_so_many_streams_of_600_tokens(precision, share, streams):
    assert real_time_streams(H200, precision, context=600, share=share) == streams


@pytest.mark.parametrize(
    ("precision", "options"),
    [(BF16, {}), (FP8, {"quantization": "fp8"}), (FP8_CACHE, {"quantization": "fp8", "cache_dtype": "fp8"})],
)
def test_the_weights_are_those_that_the_adapter_reckons_with(precision, options):
    assert weight_bytes(precision) == pytest.approx(model_size(ORPHEUS, dtype="bfloat16", **options).weights, rel=1e-4)


def test_a_pruned_head_saves_what_can_never_be_drawn():
    assert weight_bytes(BF16) - weight_bytes(BF16, pruned=True) == pytest.approx(788e6, rel=1e-3)


@given(gpu=GPU, precision=PRECISION, context=CONTEXTS, share=SHARES)
def test_the_largest_number_takes_just_the_share_it_was_given(gpu, precision, context, share):
    streams = real_time_streams(gpu.bandwidth, precision, context=context, share=share)
    if streams:
        less, more = (
            share_of(gpu.bandwidth, precision, streams=n, tokens_per_second=n * TOKENS_PER_SECOND, context=context)
            for n in (max(streams - 1, 1), streams + 1)
        )
        assert less <= share * 1.0001 or streams == 1
        assert more >= share * 0.9999


@given(gpu=GPU, precision=PRECISION, context=CONTEXTS)
def test_longer_contexts_mean_fewer_streams(gpu, precision, context):
    for streams in (
        lambda length: real_time_streams(gpu.bandwidth, precision, context=length),
        lambda length: memory_streams(gpu.memory, precision, context=length),
    ):
        assert streams(2 * context) <= streams(context)


def test_only_the_very_model_of_a_gpu_is_known():
    assert known_gpu("NVIDIA H200") == GPUS[0]
    assert known_gpu("NVIDIA H100 PCIe") is None  # a third less bandwidth than the SXM model


async def test_streams_ask_for_the_next_answer_and_begin_all_over_theirs():
    asked = []

    async def answer(prefix, tokens):
        asked.append((prefix.size, tokens))
        for _ in range(tokens // 7):
            await asyncio.sleep(0)
            yield np.zeros(7)

    rates = await measure(answer, streams=4, answer_tokens=56, settle=0.01, window=0.05)

    assert asked[:4] == [(0, 56), (14, 42), (28, 28), (42, 14)]
    assert set(asked[4:]) == {(0, 56)}
    assert rates.batch == 7
    assert 0 < 4 * rates.slowest <= rates.tokens_per_second


async def test_an_answer_that_fails_ends_the_measurement():
    async def answer(prefix, tokens):
        if prefix.size:
            raise ValueError("no such luck")
        while True:
            await asyncio.sleep(0)
            yield np.zeros(1)

    with pytest.raises(RuntimeError, match="no such luck"):
        await measure(answer, streams=2, answer_tokens=14, settle=0.01, window=0.01)


async def test_streams_without_a_token_are_no_measurement():
    async def answer(prefix, tokens):
        await asyncio.Event().wait()
        yield np.zeros(1)

    with pytest.raises(TimeoutError):
        await measure(answer, streams=1, answer_tokens=14, settle=0.0, window=0.01, start=0.05)


@given(frames=st.integers(0, 50), seed=st.integers(0, 99))
def test_prefixes_are_whole_frames_of_codes_in_their_slots(frames, seed):
    assert codes_from_ids(random_prefix(7 * frames, seed)).size == 7 * frames


def test_every_row_is_on_disk_at_once(tmp_path):
    results = Results(tmp_path / "deep" / "part.json", "part")
    results.note(start_seconds=3)
    results.add(streams=1)
    left = read(tmp_path / "deep" / "part.json")
    assert (left["rows"], left["facts"], left["complete"]) == ([{"streams": 1}], {"start_seconds": 3}, False)
    results.complete()
    assert json.loads((tmp_path / "deep" / "part.json").read_text())["complete"]


def test_a_table_has_an_empty_cell_where_a_row_has_no_figure():
    assert list(table({"a": "A", "b": "B"}, [{"a": 1234.5}, {"b": {"x": 1.0}}])) == [
        "| A | B |",
        "|---|---|",
        "| 1,234.5 |  |",
        "|  | x 1 |",
    ]


def test_the_report_shows_parts_that_were_cut_off_and_says_why(tmp_path):
    Results(tmp_path / "engine-bf16.json", "engine-bf16").add(path="ours", streams=8)
    failed = Results(tmp_path / "engine-fp8.json", "engine-fp8")
    failed.note(error="no fp8 here")
    text = markdown(tmp_path)
    assert "### engine-bf16 (not complete)" in text
    assert "| ours | 8 |" in text
    assert "### engine-fp8 (not complete: no fp8 here)" in text
