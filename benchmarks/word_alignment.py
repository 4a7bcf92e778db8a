"""How far `align_words` is from the truth, on eSpeak's voices, whose true word times eSpeak reports.

Each text of `word_alignment.txt` is spoken as a user hears it (resampled to 24 kHz, trimmed, with the pause of its
end), then distorted the way people's speech differs from a synthesiser's. Prints the errors of word starts and ends in
milliseconds, those of the naive alignment (time in proportion to characters, over what sounds) for comparison, and the
processor time. The lines of the file are dealt to two sets in turn: the aligner was tuned on the even ones (`--set
tune`), the report is on the odd ones. Takes a few minutes.

    .venv/bin/python benchmarks/word_alignment.py
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.adapters.embedded.espeak import Espeak, Timbre
from orpheus_tts.adapters.embedded.reading import Framer
from orpheus_tts.adapters.embedded.text import pieces
from orpheus_tts.adapters.embedded.voices import language_of, timbre_of
from orpheus_tts.domain.alignment import align_words
from orpheus_tts.domain.chunker import Boundary
from orpheus_tts.domain.joins import Joiner, JoinPolicy
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.domain.words import split_words

CORPUS = Path(__file__).with_suffix(".txt")
SETS = ("tune", "held-out")
RATES = (0.8, 1.0, 1.3)  # times the voice's own
# Further timbres, to which nothing in the product is fitted.
STRANGERS = (Timbre("m1"), Timbre("f1", pitch=65), Timbre("m5", rate=200), Timbre("f4", rate=130), Timbre("croak"))
HOP = SAMPLE_RATE // 100
Samples = NDArray[np.float64]
Aligner = Callable[[str, NDArray[np.int16]], list[TimedText]]


@dataclass(frozen=True, slots=True)
class Case:
    """A text, its speech, and when its words are heard: `times[i]` are start and end of word i, in seconds, or NaN."""

    language: str
    voice: str
    text: str
    samples: Samples
    times: NDArray[np.float64]


def cases(part: str) -> Iterator[Case]:
    """Speak the texts of a set: each in one voice of its language, in turn, at the rates in turn."""
    espeak = Espeak()
    lines = CORPUS.read_text(encoding="utf-8").splitlines()[SETS.index(part) :: 2]
    for index, line in enumerate(lines):
        language, _, text = line.partition("|")
        voices = [voice for voice in VOICES.values() if voice.language == language]
        voice = voices[index % len(voices)]
        timbre = timbre_of(voice)
        rate = RATES[index // 2 % len(RATES)]
        yield speak(espeak, text, voice.name, language_of(voice), replace(timbre, rate=round(timbre.rate * rate)))
        if language == "en":
            stranger = STRANGERS[index % len(STRANGERS)]
            yield speak(espeak, text, f"({stranger.variant})", language_of(voice), stranger)


def speak(espeak: Espeak, text: str, voice: str, language: str, timbre: Timbre) -> Case:
    """The speech of a text as the server gives it, in one chunk."""
    (piece,) = pieces(text, language)
    rendered, spoken = espeak.render_timed(piece.text, language=piece.language, timbre=timbre)
    framer = Framer(espeak.sample_rate)
    frames = np.concatenate([framer.add(rendered), framer.finish()]).reshape(-1)
    heard = frames.astype(np.float32) / np.float32(32767.0)
    joiner = Joiner()
    samples = to_int16(np.concatenate([joiner.push(heard), joiner.boundary(Boundary.SENTENCE)]))
    policy = JoinPolicy()
    first = int(np.argmax(np.abs(heard) > policy.threshold)) / SAMPLE_RATE
    trimmed = max(0.0, first - policy.lead)
    times = np.full((len(split_words(text)), 2), np.nan)
    position = 0
    for index, word in enumerate(split_words(text)):
        found = piece.text.find(word, position)
        if found < 0:
            continue  # a tag, which eSpeak does not speak
        position = found + len(word)
        inside = [entry for entry in spoken if found <= entry.position < position]
        if inside:
            times[index] = inside[0].start, inside[-1].end
    times = np.clip(times - trimmed, 0, samples.size / SAMPLE_RATE)
    for index, ((_, end), (start, _)) in enumerate(pairwise(times)):
        if np.isnan(start) and not np.isnan(end) and not split_words(text)[index + 1].startswith("<"):
            times[index, 1] = np.nan  # said together with the next word, of which eSpeak tells nothing
    language = language.partition("-")[0].replace("cmn", "zh")
    return Case(language, voice, text, samples / 32768, times)


def warped(case: Case, rng: np.random.Generator) -> Case:
    """Every stretch of 60 to 250 ms made shorter or longer by 0.7 to 1.4."""
    knots = np.concatenate([[0.0], np.cumsum(rng.uniform(0.06, 0.25, int(case.samples.size / SAMPLE_RATE / 0.06) + 2))])
    factors = np.exp(rng.uniform(np.log(0.7), np.log(1.4), knots.size - 1))
    moved = np.concatenate([[0.0], np.cumsum(np.diff(knots) * factors)])
    length = np.interp(case.samples.size / SAMPLE_RATE, knots, moved)
    source = np.interp(np.arange(int(length * SAMPLE_RATE)) / SAMPLE_RATE, moved, knots) * SAMPLE_RATE
    samples = np.interp(source, np.arange(case.samples.size), case.samples)
    return replace(case, samples=samples, times=np.interp(case.times, knots, moved))


def hesitating(case: Case, rng: np.random.Generator) -> Case:
    """A pause of 0.1 to 0.8 s before one word in eight that follows another without one."""
    parts: list[Samples] = []
    times = case.times.copy()
    done, added = 0, 0.0
    for index in range(len(times)):
        start = case.times[index, 0]
        if index and case.times[index - 1, 1] == start and rng.random() < 1 / 8:
            cut = round(start * SAMPLE_RATE)
            fade = min(120, (cut - done) // 2)
            part = case.samples[done:cut].copy()
            part[part.size - fade :] *= np.linspace(1, 0, fade)
            pause = rng.uniform(0.1, 0.8)
            parts += [part, np.zeros(round(pause * SAMPLE_RATE))]
            done, added = cut, added + pause
        times[index] += added
    return replace(case, samples=np.concatenate([*parts, case.samples[done:]]), times=times)


def in_a_room(case: Case, rng: np.random.Generator) -> Case:
    """Reverberation (0.3 s, 12 dB below the direct sound), loudness changing by 12 dB, noise 30 dB below the speech."""
    tail = np.arange(int(0.3 * SAMPLE_RATE))
    response = rng.standard_normal(tail.size) * np.exp(-6.9 * tail / tail.size)
    response *= 0.25 / np.sqrt(np.sum(response**2))
    response[0] += 1.0
    size = case.samples.size
    spectrum = np.fft.rfft(case.samples, size + tail.size) * np.fft.rfft(response, size + tail.size)
    samples = np.fft.irfft(spectrum, size + tail.size)[:size]
    places = np.arange(0, size + SAMPLE_RATE, SAMPLE_RATE)
    samples *= 10 ** (np.interp(np.arange(size), places, rng.uniform(-12, 0, places.size)) / 20)
    level = np.sqrt(np.mean(samples**2))
    return replace(case, samples=samples + rng.standard_normal(size) * level * 10 ** (-30 / 20))


def reacting(case: Case, rng: np.random.Generator) -> Case:
    """At each tag a sound of 0.6 to 1.2 s between two short silences: breath, or bursts of it as in laughing."""
    words = split_words(case.text)
    parts: list[Samples] = []
    times = case.times.copy()
    done, added = 0, 0.0
    for index, word in enumerate(words):
        if word.startswith("<"):
            starts = [*case.times[index + 1 :, 0], case.samples.size / SAMPLE_RATE]
            cut = max(done, round(starts[0] * SAMPLE_RATE) - HOP)
            gap = np.zeros(round(rng.uniform(0.05, 0.2) * SAMPLE_RATE))
            place = np.linspace(0, 1, round(rng.uniform(0.6, 1.2) * SAMPLE_RATE))
            bursts = np.abs(np.sin(np.pi * place * rng.choice([1, 5])))
            sound = np.convolve(rng.standard_normal(place.size), np.ones(4) / 8, "same") * 0.1 * bursts
            parts += [case.samples[done:cut], gap, sound, gap]
            begin = cut / SAMPLE_RATE + added + gap.size / SAMPLE_RATE
            times[index] = begin, begin + place.size / SAMPLE_RATE
            done, added = cut, added + (2 * gap.size + place.size) / SAMPLE_RATE
        else:
            times[index] += added
    return replace(case, samples=np.concatenate([*parts, case.samples[done:]]), times=times)


def whole(case: Case, rng: np.random.Generator) -> Case:
    """All of it."""
    return in_a_room(hesitating(warped(case, rng), rng), rng)


CONDITIONS: dict[str, Callable[[Case, np.random.Generator], Case]] = {
    "plain": lambda case, _: case,
    "warped": warped,
    "warped, pauses": lambda case, rng: hesitating(warped(case, rng), rng),
    "room": in_a_room,
    "all": whole,
    "tags heard": reacting,
}


def naive(text: str, samples: NDArray[np.int16]) -> list[TimedText]:
    """Time in proportion to characters, over the hops within 40 dB of the loudest."""
    words = split_words(text)
    hops = samples[: samples.size // HOP * HOP].reshape(-1, HOP).astype(float)
    levels = np.sqrt(np.mean(hops**2, axis=1))
    sounding = np.flatnonzero(levels > levels.max() / 100)
    places = np.cumsum([0, *(len(word) + 1 for word in words)])
    chosen = sounding[np.rint(places / places[-1] * (sounding.size - 1)).astype(int)] * HOP / SAMPLE_RATE
    return [TimedText(word, *bounds) for word, bounds in zip(words, pairwise(chosen.tolist()), strict=True)]


def errors(case: Case, aligner: Aligner) -> NDArray[np.float64]:
    """Milliseconds, shape (n, 2): what is between the true and the found start and end of each word, NaN if unknown."""
    samples = to_int16(np.clip(case.samples, -1, 1).astype(np.float32))
    found = aligner(case.text, samples)
    return np.abs(np.array([(word.start, word.end) for word in found]) - case.times) * 1000


def row(name: str, values: Iterable[NDArray[np.float64]]) -> str:
    """One line of the report."""
    both = np.concatenate(list(values))
    starts, ends = (column[~np.isnan(column)] for column in both.T)
    cells = []
    for side in (starts, ends):
        cells += [f"{np.percentile(side, share):6.0f}" for share in (50, 90, 95, 100)]
    shares = [f"{np.mean(np.concatenate([starts, ends]) <= limit):7.0%}" for limit in (50, 100, 200)]
    return f"{name:22}{len(starts):6} " + "".join(cells[:4]) + " |" + "".join(cells[4:]) + " |" + "".join(shares)


HEADER = f"{'':22}{'words':>6}  start: median, p90, p95, max | end: the same        | within 50, 100, 200 ms"


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--set", choices=SETS, default="held-out")
    spoken = list(cases(arguments.parse_args().set))
    print(HEADER)
    for name, distort in CONDITIONS.items():
        rng = np.random.default_rng(1)
        heard = [distort(case, rng) for case in spoken if name != "tags heard" or "<" in case.text]
        begun = time.process_time()
        found = [errors(case, align_words) for case in heard]
        cost = time.process_time() - begun
        seconds = sum(case.samples.size for case in heard) / SAMPLE_RATE
        print(row(name, found))
        print(row("  naive", [errors(case, naive) for case in heard]))
        print(f"  {1000 * cost / seconds:.1f} ms of processor time per second of {seconds:.0f} s of speech")
        for key in ("language", "voice"):
            groups = defaultdict(list)
            for case, error in zip(heard, found, strict=True):
                groups[getattr(case, key)].append(error)
            for value, values in groups.items():
                print(row(f"    {value}", values))


if __name__ == "__main__":
    main()
