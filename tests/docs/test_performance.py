"""docs/performance.md: what it calls arithmetic is what the arithmetic gives."""

import re
from pathlib import Path

import pytest

from gpu.roofline import BF16, FP8_CACHE, GPUS, PRECISIONS, TERA, memory_streams, real_time_streams

TEXT = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
H200 = GPUS[0].bandwidth
CELLS = ("H200, 141 GB", "H100 SXM, 80 GB", "A100 SXM, 80 GB", "RTX 4090, 24 GB", "L4, 24 GB")


def row(first_cell):
    """The numbers of the row that begins with this; `none` is 0."""
    (found,) = re.findall(rf"^\| {re.escape(first_cell)} \|(.*)\|$", TEXT, re.MULTILINE)
    cells = [cell.strip().removesuffix(" TB/s").replace(",", "") for cell in found.split("|")]
    return [0.0 if cell == "none" else float(cell) for cell in cells]


@pytest.mark.parametrize(("gpu", "cell"), [*zip(GPUS, CELLS, strict=True)])
def test_a_gpus_row_is_what_its_bandwidth_and_memory_give(gpu, cell):
    streams = [real_time_streams(gpu.bandwidth, each, share=0.6, pruned=True) for each in PRECISIONS]
    assert row(cell) == [round(gpu.bandwidth / TERA, 2), *streams, memory_streams(gpu.memory, BF16)]


@pytest.mark.parametrize("context", [300, 600, 1000, 1600])
def test_a_chunks_row_is_what_its_context_costs(context):
    (found,) = re.findall(rf"^\| \d+[^|]* \| \d+ \| {context:,} \|(.*)\|$", TEXT, re.MULTILINE)
    streams = [real_time_streams(H200, each, context=context, share=0.6, pruned=True) for each in (BF16, FP8_CACHE)]
    assert [int(cell.replace(",", "")) for cell in found.split("|")] == streams


@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda precision: precision.name)
def test_the_roofline_of_one_h200_is_stated_with_and_without_the_whole_head(precision):
    streams = [
        real_time_streams(H200, precision, share=share, pruned=pruned) for pruned in (False, True) for share in (1, 0.6)
    ]
    assert row(precision.name) == streams
