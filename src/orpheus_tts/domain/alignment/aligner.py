"""When each word of a text is heard in its speech.

The words' letters tell which broad sounds follow each other and about how long they take, marks tell where pauses may
be; the alignment is the way of laying them over the speech that fits best what is heard. It knows no language and no
voice, so it serves every backend; `benchmarks/word_alignment.py` measures it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from orpheus_tts.domain.alignment.hearing import HOP, HOP_SECONDS, Floats, adapted, hear, mismatch, sounding
from orpheus_tts.domain.alignment.letters import Kind, sounds_of
from orpheus_tts.domain.alignment.segmentation import Indices, NoPathError, Stretch, segment
from orpheus_tts.domain.characters import TAG
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.domain.words import split_words

_TAG = regex.compile(TAG)
_LONG_PAUSE = regex.compile(r"[\p{STerm}…‥]\W*+$")
_SHORT_PAUSE = regex.compile(r"[\p{Term}\p{Pd}\p{Pe}\p{Pf}]\W*+$")
# Costs, in the same coin as `mismatch` and the lengths of sounds. Tuned with the benchmark's `--set tune`, for speech
# that is distorted as much as for plain one; half or twice as much makes little difference.
_NO_LONG_PAUSE = 4.0
_NO_SHORT_PAUSE = 2.0
_HESITATION = 4.0  # a pause without a mark
_LEFT_OUT = 0.7  # a sound that may be
_TAG_LEFT_OUT = 3.0
_TAG_HEARD = 1.0
_FREE_PAUSE = Stretch(Kind.PAUSE, 0, skip=0.0)
_PHRASE_END = 1.35  # times as long is the last syllable before a pause

_ROUNDS = 3  # each adapts the sounds to what was heard in the one before
_SLACK = 4.0  # seconds that a word may be from where it would be at an even pace
_TAG_SECONDS = 0.6  # what a tag takes of that, between a laugh and none
_PACES = (0.35, 3.0)  # times an ordinary one


def align_words(text: str, samples: NDArray[np.int16]) -> list[TimedText]:
    """Find when each word of a text is heard. Takes about 1.5 % of the speech's own time on one core.

    Args:
        text: One chunk of text, as written, tags included; any characters.
        samples: Its speech, shape (n,), int16, mono at 24 kHz; n may be 0.

    Returns:
        The words of `split_words` in order, in seconds from the first sample: starts and ends never decrease, and none
        lies beyond the last sample. Pauses belong to no word. Where text and speech cannot belong together, the words
        are spread.
    """
    words = split_words(text)
    sequence, spans = _sequence(words)
    bounds = _bounds(sequence, samples) * HOP_SECONDS
    seconds = samples.size / SAMPLE_RATE
    return [
        TimedText(word, min(float(bounds[first]), seconds), min(float(bounds[last]), seconds))
        for word, (first, last) in zip(words, spans, strict=True)
    ]


def _sequence(words: Sequence[str]) -> tuple[list[Stretch], list[tuple[int, int]]]:
    """What is to be heard, pauses included, and of each word where in it it begins and ends."""
    sequence = [_FREE_PAUSE]
    spans: list[tuple[int, int]] = []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        pause = _pause_between(word, following)
        first = len(sequence)
        sequence.extend(_stretches(word, before_pause=pause.enter == 0))
        spans.append((first, len(sequence)))
        sequence.append(pause)
    return sequence, spans


def _pause_between(word: str, following: str) -> Stretch:
    if not following or _TAG.match(word) or _TAG.match(following):
        return _FREE_PAUSE
    if _LONG_PAUSE.search(word):
        return Stretch(Kind.PAUSE, 0, skip=_NO_LONG_PAUSE)
    if _SHORT_PAUSE.search(word):
        return Stretch(Kind.PAUSE, 0, skip=_NO_SHORT_PAUSE)
    return Stretch(Kind.PAUSE, 0, skip=0.0, enter=_HESITATION)


def _stretches(word: str, *, before_pause: bool) -> Iterator[Stretch]:
    if _TAG.match(word):
        yield Stretch(Kind.REACTION, 0, skip=_TAG_LEFT_OUT, enter=_TAG_HEARD)
        return
    sounds = sounds_of(word)
    vowels = [index for index, sound in enumerate(sounds) if sound.kind is Kind.VOWEL]
    drawn = vowels[-1] if before_pause and vowels else len(sounds)
    for index, sound in enumerate(sounds):
        hops = sound.seconds / HOP_SECONDS * (_PHRASE_END if index >= drawn else 1.0)
        yield Stretch(sound.kind, hops, skip=_LEFT_OUT if sound.optional else np.inf)


def _bounds(sequence: Sequence[Stretch], samples: NDArray[np.int16]) -> Floats:
    """Where each stretch begins, and the last one ends, in hops."""
    if not samples.any():
        return _spread(sequence, np.arange(samples.size // HOP + 1))
    features = hear(samples)
    heard = np.flatnonzero(sounding(features))
    even = _spread(sequence, np.append(heard, heard[-1] + 1) if heard.size else np.arange(len(features) + 1))
    even[-1] = len(features)
    try:
        return _fitted(sequence, features, even).astype(np.float64)
    except NoPathError:
        return even


def _spread(sequence: Sequence[Stretch], hops: NDArray[np.integer[Any]]) -> Floats:
    """Bounds at an even pace over these hops."""
    lengths = [stretch.hops or (stretch.column == Kind.REACTION) * _TAG_SECONDS / HOP_SECONDS for stretch in sequence]
    places = np.concatenate([[0.0], np.cumsum(lengths)])
    places *= (hops.size - 1) / max(places[-1], 1.0)
    return np.asarray(np.interp(places, np.arange(hops.size), hops), dtype=np.float64)


def _fitted(sequence: Sequence[Stretch], features: Floats, even: Floats) -> Indices:
    """Bounds that fit what is heard."""
    lengths = np.array([stretch.hops for stretch in sequence])
    columns = np.array([stretch.column for stretch in sequence])
    slack = round(_SLACK / HOP_SECONDS)
    spoken = float(np.count_nonzero(sounding(features)))
    means = None
    for _ in range(_ROUNDS):
        pace = np.clip(spoken / max(lengths.sum(), 1.0), *_PACES)
        paced = [replace(stretch, hops=stretch.hops * pace) for stretch in sequence]
        bounds = segment(paced, mismatch(features, means), even[1:], slack)
        taken = np.diff(bounds)
        means = adapted(features, np.repeat(columns, taken))
        spoken = float(taken[lengths > 0].sum())
    return bounds
