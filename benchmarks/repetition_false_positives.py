"""How often the repetition detector takes speech for a loop, and what it costs per token.

    python benchmarks/repetition_false_positives.py --streams 10000

Half of the streams are uniformly random codes, half are made like speech: phones held for some frames with jitter,
words from a small lexicon, words said several times, phrases chanted, pauses full of the same silence codes.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import TokenLoopError
from orpheus_tts.domain.repetition import RepetitionDetector
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME

MAX_TOKENS = 8_192
LONGEST_HOLD = 6  # frames: half a second
LONGEST_PAUSE = 17  # frames: 1.45 s
# How many of a phone's codes come out differently each time it is spoken, per slot and for the steadiest and the
# liveliest voice: fine codebooks vary most.
STEADIEST = np.array([0.10, 0.30, 0.45, 0.45, 0.30, 0.45, 0.45])
LIVELIEST = np.array([0.30, 0.60, 0.90, 0.90, 0.60, 0.90, 0.90])
# (most words in the phrase, most times it is said), and how often that happens: prose, "no no no", a chant.
UTTERANCES = ((8, 1), (1, 4), (8, 6))
FREQUENCIES = (0.6, 0.25, 0.15)
SAME_TIMING = 0.2  # of all utterances keep the timing of every phone and pause when they are repeated


def random_stream(rng: np.random.Generator, tokens: int) -> NDArray[np.int64]:
    """Uniformly random codes, shape (tokens,)."""
    return rng.integers(0, CODEBOOK_SIZE, tokens)


def natural_stream(rng: np.random.Generator, tokens: int) -> NDArray[np.int64]:
    """Codes with the repetitions of speech, shape (tokens,)."""
    voice = _Voice(rng)
    phones: list[int] = []
    while len(phones) * CODES_PER_FRAME < tokens:
        phones += voice.utterance()
    return voice.codes(np.array(phones)).reshape(-1)[:tokens]


class _Voice:
    """A speaker's phones, words and steadiness. Phone 0 is silence."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._phones = rng.integers(0, CODEBOOK_SIZE, (int(rng.integers(20, 60)), CODES_PER_FRAME))
        self._words = [rng.integers(1, len(self._phones), rng.integers(1, 6)) for _ in range(rng.integers(30, 100))]
        self._jitter = STEADIEST + rng.random() * (LIVELIEST - STEADIEST)
        self._silence_jitter = rng.choice([0.0, 0.05, 0.3]) * (np.arange(CODES_PER_FRAME) > 0)

    def utterance(self) -> list[int]:
        """A phrase said once or several times, each followed by a pause or none: the phone of each frame."""
        rng = self._rng
        most_words, most_times = UTTERANCES[rng.choice(len(UTTERANCES), p=FREQUENCIES)]
        words = rng.integers(0, len(self._words), rng.integers(1, most_words + 1))
        phrase = np.append(np.concatenate([self._words[word] for word in words]), 0)
        timing = rng.integers(1, LONGEST_HOLD + 1, phrase.size)
        timing[-1] = rng.integers(0, LONGEST_PAUSE + 1)
        longest = np.append(np.full(phrase.size - 1, LONGEST_HOLD), LONGEST_PAUSE)
        drift = 0 if rng.random() < SAME_TIMING else 1
        frames: list[int] = []
        for _ in range(rng.integers(1, most_times + 1)):
            varied = timing + rng.integers(-drift, drift + 1, timing.size)
            frames += np.repeat(phrase, np.clip(varied, longest == LONGEST_HOLD, longest)).tolist()
        return frames

    def codes(self, phones: NDArray[np.int64]) -> NDArray[np.int64]:
        """One rendering of phones, shape (n,), as frames, shape (n, 7)."""
        canonical = self._phones[phones]
        jitter = np.where((phones > 0)[:, None], self._jitter, self._silence_jitter)
        strays = self._rng.integers(0, CODEBOOK_SIZE, canonical.shape)
        return np.where(self._rng.random(canonical.shape) < jitter, strays, canonical)


def loop_reported(codes: NDArray[np.int64], *, batch: int = CODES_PER_FRAME) -> TokenLoopError | None:
    """What the detector says of a stream that arrives in batches of that many tokens."""
    detector = RepetitionDetector(max_tokens=MAX_TOKENS)
    try:
        for start in range(0, codes.size, batch):
            detector.push(codes[start : start + batch])
    except TokenLoopError as error:
        return error
    return None


def measure(name: str, make: Callable[[np.random.Generator, int], NDArray[np.int64]], streams: int, seed: int) -> None:
    """Judge streams of up to 8,192 tokens and print the verdict."""
    rng = np.random.default_rng(seed)
    seconds, tokens, reported = 0.0, 0, 0
    for _ in range(streams):
        codes = make(rng, int(rng.integers(1, MAX_TOKENS + 1)))
        begin = time.process_time()
        reported += loop_reported(codes) is not None
        seconds += time.process_time() - begin
        tokens += codes.size
    print(
        f"{name}: {reported} of {streams} streams reported ({reported / streams:.4%}); "
        f"{tokens / 1e6:.1f} million tokens, {seconds / tokens * 1e6:.2f} us per token in batches of {CODES_PER_FRAME}"
    )


def main() -> None:
    """Parse the options and measure both kinds of stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    measure("random", random_stream, options.streams // 2, options.seed)
    measure("natural", natural_stream, options.streams - options.streams // 2, options.seed)


if __name__ == "__main__":
    main()
