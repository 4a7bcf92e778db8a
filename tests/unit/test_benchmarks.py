"""What the benchmarks stand on: their text, their stand-in for the model, and that a regression is noticed."""

import json
import math
import subprocess
import sys
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelless.decoder import ReadyDecoder
from modelless.generator import PacedGenerator, frames_of
from modelless.plugin import python_path
from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLES_PER_FRAME
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.testing import AudioDecoderContract, TokenGeneratorContract
from pacing.backend import paced_tokens
from pacing.clients import blocks_of
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


class TestPacedGenerator(TokenGeneratorContract):
    deterministic = False
    disposable = False

    @pytest.fixture(autouse=True, params=[100.0, math.inf])
    def pace(self, request):
        self.times_real_time = request.param

    @asynccontextmanager
    async def generator(self):
        yield PacedGenerator(self.times_real_time, at_a_time=3, spread=0.2)


class TestReadyDecoder(AudioDecoderContract):
    disposable = False

    @asynccontextmanager
    async def decoder(self):
        yield ReadyDecoder()


@given(st.text(max_size=500), st.floats(0.0, 0.9))
def test_an_answer_is_longer_or_shorter_by_the_spread_at_most_and_by_nothing_without_one(text, spread):
    even = len(text) * 0.84
    assert frames_of(text) == max(1, round(even))
    assert even * (1 - spread) - 1 <= frames_of(text, spread) <= max(1, even * (1 + spread) + 1)


@given(st.integers(1, 300), st.integers(1, 40))
async def test_the_ids_of_an_answer_come_in_the_portions_asked_for(length, at_a_time):
    prompt, prefix = Prompt("a" * length, VOICES["tara"]), np.empty(0, np.int64)
    generator = PacedGenerator(math.inf, at_a_time=at_a_time)
    sizes = [ids.size async for ids in generator.generate(prompt, Sampling(), prefix=prefix, request_id="")]
    assert sum(sizes) == frames_of(prompt.text) * CODES_PER_FRAME + 1
    assert set(sizes[:-1]) <= {at_a_time}
    assert 1 <= sizes[-1] <= at_a_time


@given(st.integers(10, 300))
async def test_the_blocks_that_paced_clients_wait_for_come(length):
    text = "a" * length
    policy = SynthesisPolicy(chunks=ChunkLimits(max_characters=300))
    synthesizer = Synthesizer(PacedGenerator(math.inf), ReadyDecoder(), policy=policy)
    sizes = [2 * block.samples.size async for block in synthesizer.stream(SpeechRequest(text=text))]
    assert {block.size for block in blocks_of(text)} <= set(accumulate(sizes))
    assert sum(sizes) == 2 * frames_of(text) * SAMPLES_PER_FRAME


def test_a_python_with_the_path_finds_the_backend():
    find = "from orpheus_tts.backends import load_backend; print(load_backend('stand-in').__name__)"
    with python_path({"stand-in": paced_tokens}) as path:
        python = subprocess.run(
            [sys.executable, "-c", find], check=True, capture_output=True, env={"PYTHONPATH": path}, text=True
        )
    assert python.stdout == "paced_tokens\n"


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
