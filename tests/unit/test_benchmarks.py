"""What the benchmarks stand on: their text, and that a regression is noticed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reading.chapter import chapter

MICRO = Path(__file__).parents[2] / "benchmarks" / "micro"
ROW = {
    "name": "chunker",
    "unit": "1,000 characters",
    "microseconds": 150.0,
    "real_time": 1e-6,
    "baseline": "str.split",
    "ratio": 20.0,
}


@given(st.integers(100, 3_000))
def test_a_chapter_has_the_length_asked_for_and_goes_on_where_a_shorter_one_ends(characters):
    text = chapter(characters)
    assert characters - 3 < len(text) <= characters
    assert text.endswith(".")
    assert chapter(2 * characters).startswith(text[:-1])


def test_a_chapter_hardly_says_anything_twice():
    paragraphs = chapter(100_000).split("\n\n")
    long_ones = [paragraph for paragraph in paragraphs if len(paragraph) > 100]
    assert len(set(long_ones)) == len(long_ones) > 100


@pytest.mark.parametrize(("ratio", "code"), [(24.0, 0), (26.0, 1)])
def test_a_ratio_that_rose_by_more_than_a_quarter_fails_the_comparison(tmp_path, ratio, code):
    files = [tmp_path / "before.json", tmp_path / "after.json"]
    for file, value in zip(files, (ROW["ratio"], ratio), strict=True):
        file.write_text(json.dumps([{**ROW, "ratio": value}]))
    done = subprocess.run([sys.executable, MICRO, "--compare", *files], check=False, capture_output=True, text=True)
    assert (code, "") == (done.returncode, done.stderr)
    assert bool(code) == ("SLOWER" in done.stdout)


def test_one_part_is_measured_and_told_as_json(tmp_path):
    file = tmp_path / "rows.json"
    subprocess.run(
        [sys.executable, MICRO, "tokens", "--only", "window planning", "--json", file], check=True, capture_output=True
    )
    (row,) = json.loads(file.read_text())
    assert set(ROW) == set(row)
    assert row["ratio"] > 0
