"""What is asked of an engine on a GPU that is too small or shared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orpheus_config import ORPHEUS

from orpheus_tts.adapters.vllm.fitting import (
    GIB,
    LENGTHS,
    DeviceMemory,
    Fit,
    ModelSize,
    explained,
    fits,
    model_size,
    needed_bytes,
)

SIZE = model_size(ORPHEUS, dtype="bfloat16")
WANTED = Fit(max_model_len=8192, memory_share=0.9, codec_beside=True)

totals = st.integers(4 * GIB, 200 * GIB)
memories = totals.flatmap(lambda total: st.integers(0, total).map(lambda free: DeviceMemory(free, total)))
wishes = st.builds(
    Fit,
    max_model_len=st.integers(64, 131_072),
    memory_share=st.integers(1, 100).map(lambda percent: percent / 100),
    codec_beside=st.booleans(),
)
sizes = st.builds(ModelSize, st.integers(GIB // 10, 20 * GIB), st.integers(1000, 500_000))


def gpu(free, total=None):
    return DeviceMemory(int(free * GIB), int((total or free) * GIB))


def test_orpheus_takes_what_it_is_known_to_take():
    assert 114_688 == SIZE.cache_per_token
    assert 2 * 3_300_867_072 == SIZE.weights  # 3.3 billion parameters of two bytes
    assert 4 * 3_300_867_072 == model_size(ORPHEUS, dtype="float32").weights
    assert SIZE == model_size(ORPHEUS, dtype="auto")


def test_gpus_and_quantisation_lighten_the_load():
    halved = model_size(ORPHEUS, dtype="bfloat16", gpus=2)
    assert (SIZE.weights // 2, SIZE.cache_per_token // 2) == (halved.weights, halved.cache_per_token)
    quantised = model_size(ORPHEUS, dtype="bfloat16", quantization="fp8", cache_dtype="fp8")
    assert SIZE.weights / 2 < quantised.weights < 0.7 * SIZE.weights
    assert SIZE.cache_per_token // 2 == quantised.cache_per_token


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (gpu(139, 141), WANTED),
        (gpu(23.7, 24), WANTED),
        (gpu(15.7, 16), Fit(max_model_len=8192, memory_share=0.85, codec_beside=True)),
        (gpu(12, 80), Fit(max_model_len=8192, memory_share=0.12, codec_beside=True)),
        (gpu(10.45, 12), Fit(max_model_len=4096, memory_share=0.7, codec_beside=True)),
        (gpu(10.05, 12), Fit(max_model_len=2048, memory_share=0.67, codec_beside=True)),
        (gpu(9.8, 12), Fit(max_model_len=8192, memory_share=0.79, codec_beside=False)),
        (gpu(8.3, 10), Fit(max_model_len=2048, memory_share=0.8, codec_beside=False)),
    ],
)
def test_orpheus_on_gpus_that_people_have(memory, expected):
    assert expected == fits(WANTED, memory, SIZE)[0]


@given(wishes, memories, sizes)
def test_nothing_asks_for_more_than_was_wanted_or_is_free(wanted, memory, size):
    for fit in fits(wanted, memory, size):
        assert fit.max_model_len <= wanted.max_model_len
        assert 0 < fit.memory_share <= wanted.memory_share
        assert wanted.codec_beside or not fit.codec_beside
        assert fit.max_model_len in (wanted.max_model_len, *LENGTHS)
        assert fit.memory_share <= 0.01 or fit.memory_share * memory.total <= memory.free


@given(wishes, memories, sizes)
def test_what_is_tried_fits_by_the_figures_or_is_the_least_there_is(wanted, memory, size):
    tried = fits(wanted, memory, size)
    able = [needed_bytes(fit, size) <= fit.memory_share * memory.total for fit in tried]
    assert all(able) or len(tried) == 1
    if not all(able):
        assert tried[0].max_model_len == min(wanted.max_model_len, LENGTHS[-1])
        assert not tried[0].codec_beside


@given(wishes, memories, sizes)
def test_each_try_asks_for_less_than_the_one_before(wanted, memory, size):
    tried = fits(wanted, memory, size)
    order = [(not fit.codec_beside, -fit.max_model_len) for fit in tried]
    assert sorted(set(order)) == order


@given(wishes, totals, sizes, st.data())
def test_more_free_memory_never_means_asking_for_less(wanted, total, size, data):
    less, more = sorted(data.draw(st.tuples(st.integers(0, total), st.integers(0, total))))
    small, large = (fits(wanted, DeviceMemory(free, total), size)[0] for free in (less, more))
    if len(fits(wanted, DeviceMemory(less, total), size)) > 1:
        assert (large.codec_beside, large.max_model_len) >= (small.codec_beside, small.max_model_len)


@given(wishes, sizes)
def test_without_figures_all_that_was_wanted_is_tried_first(wanted, size):
    assert wanted == fits(wanted, None, size)[0]


@given(wishes, memories, sizes)
def test_a_sentence_tells_of_each_change_and_of_nothing_else(wanted, memory, size):
    for fit in fits(wanted, memory, size):
        said = list(explained(fit, wanted, memory))
        settings = {
            "TTS_GPU_MEMORY_UTILIZATION": fit.memory_share < wanted.memory_share,
            "TTS_MAX_MODEL_LEN": fit.max_model_len < wanted.max_model_len,
            "SNAC_DEVICE": fit.codec_beside != wanted.codec_beside,
        }
        assert [name for name, changed in settings.items() if changed] == [
            name for sentence in said for name in settings if name in sentence
        ]
        assert all(sentence.endswith(".") for sentence in said)
