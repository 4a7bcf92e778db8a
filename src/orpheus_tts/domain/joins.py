"""Chunks of speech joined into one: silence trimmed, a pause that fits the boundary, no clicks.

Incremental: samples of a chunk go in as they come and leave at once, but for what may still have to change: a trailing
stretch of silence (up to `JoinPolicy.longest_held`) and the few milliseconds of a fade.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.chunker import Boundary
from orpheus_tts.domain.tokens import SAMPLE_RATE

Samples = NDArray[np.float32]
_EMPTY: Samples = np.empty(0, dtype=np.float32)

# Between a reader's comma and paragraph pauses; the kept lead and tail of the chunks count as part of them.
_PAUSES = MappingProxyType(
    {
        Boundary.HARD: 0.0,
        Boundary.WORD: 0.0,
        Boundary.CLAUSE: 0.15,
        Boundary.SENTENCE: 0.30,
        Boundary.PARAGRAPH: 0.60,
        Boundary.END: 0.0,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPolicy:
    """How chunks are joined. All times in seconds.

    Attributes:
        trim: Whether near-silence at both ends of each chunk is cut.
        threshold: Largest magnitude that counts as near-silence; 0.005 is -46 dB of full scale.
        lead: Near-silence kept before a chunk's first sound, so that no onset is clipped.
        tail: Near-silence kept after its last sound.
        longest_held: Longest trailing silence held back; one that is longer was meant.
        fade: Length of the fades at a join.
        pauses: Silence at each boundary, kept lead and tail included; none means the voices are cross-faded.
    """

    trim: bool = True
    threshold: float = 0.005
    lead: float = 0.03
    tail: float = 0.05
    longest_held: float = 1.0
    fade: float = 0.008
    pauses: Mapping[Boundary, float] = field(default_factory=lambda: _PAUSES)

    def silent(self, samples: Samples) -> bool:
        """Whether these samples, shape (n,), are nothing but silence that would be cut before a chunk's first sound."""
        return self.trim and not bool((np.abs(samples) > self.threshold).any())


class Joiner:
    """Joins the chunks of one request. For each chunk in order: `push` its samples, then say its `boundary`.

    The first sample of the first chunk and the last of the last are not faded; everything between two chunks is.

    What is returned for a chunk begins with its own first sample, cross-faded or not, and ends with the pause after it,
    provided that it is at least a fade long once trimmed. The default policy leaves 30 ms of any chunk.

    Args:
        policy: How chunks are joined.
    """

    def __init__(self, policy: JoinPolicy | None = None) -> None:
        self._policy = policy or JoinPolicy()
        self._fade = _samples(self._policy.fade)
        self._trimmer = _SilenceTrimmer(self._policy)
        self._pending = _EMPTY  # of this chunk, trimmed, not yet given out
        self._entry: Callable[[Samples, int], Samples] = _keep  # what is still to be done to the first samples

    def push(self, samples: Samples) -> Samples:
        """Take the chunk's next samples, shape (n,), float32; return what is final, shape (m,), possibly empty."""
        self._pending = np.concatenate((self._pending, self._trimmer.push(samples)))
        if self._pending.size < 2 * self._fade:
            return _EMPTY
        return self._give(self._fade)

    def boundary(self, boundary: Boundary) -> Samples:
        """End the chunk; return the rest of it and the pause after it, shape (m,), possibly empty."""
        self._pending = np.concatenate((self._pending, self._trimmer.finish()))
        if boundary is Boundary.END:
            return self._give(0)
        pause = self._policy.pauses[boundary]
        if pause > 0:
            rest = _fade_out(self._give(0), self._fade)
            self._entry = _fade_in
            return np.concatenate((rest, self._silence(pause)))
        rest = self._give(self._fade)
        before, self._pending = self._pending, _EMPTY
        self._entry = partial(_cross_fade, before)
        return rest

    def _give(self, keep: int) -> Samples:
        """Give out all but the last `keep` samples, once what has to be done to the first ones is done."""
        joined, self._entry = self._entry(self._pending, self._fade), _keep
        cut = max(0, joined.size - keep)
        self._pending = joined[cut:]
        return joined[:cut]

    def _silence(self, pause: float) -> Samples:
        kept = self._policy.lead + self._policy.tail if self._policy.trim else 0.0
        return np.zeros(max(0, _samples(pause - kept)), dtype=np.float32)


class _SilenceTrimmer:
    """Cuts near-silence at both ends of each chunk, but for `lead` and `tail`; a chunk of nothing else keeps `lead`."""

    def __init__(self, policy: JoinPolicy) -> None:
        self._threshold = policy.threshold if policy.trim else -1.0
        self._lead = _samples(policy.lead)
        self._tail = _samples(policy.tail)
        self._longest_held = _samples(policy.longest_held)
        self._held = _EMPTY
        self._sounded = False

    def push(self, samples: Samples) -> Samples:
        """Shape (n,) in; what is known to be wanted out."""
        sounds = np.abs(samples) > self._threshold
        first = int(sounds.argmax()) if sounds.size else 0
        if sounds.size and sounds[first]:
            end = sounds.size - int(sounds[::-1].argmax())
            before = np.concatenate((self._held, samples[:first]))
            if not self._sounded:
                before = before[max(0, before.size - self._lead) :]
            self._held, self._sounded = samples[end:], True
            return np.concatenate((before, samples[first:end]))
        held = np.concatenate((self._held, samples))
        cut = max(0, held.size - (self._longest_held if self._sounded else self._lead))
        self._held = held[cut:]
        return held[:cut] if self._sounded else _EMPTY

    def finish(self) -> Samples:
        """What is kept of the trailing silence; ready for the next chunk."""
        kept = self._held[: self._tail] if self._sounded else self._held
        self._held, self._sounded = _EMPTY, False
        return kept


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _keep(samples: Samples, _fade: int) -> Samples:
    return samples


def _fade_in(samples: Samples, fade: int) -> Samples:
    gain = _gain(min(fade, samples.size))[::-1]
    return np.concatenate((samples[: gain.size] * gain, samples[gain.size :]))


def _fade_out(samples: Samples, fade: int) -> Samples:
    return _fade_in(samples[::-1], fade)[::-1]


def _cross_fade(before: Samples, samples: Samples, fade: int) -> Samples:
    gain = _gain(min(fade, before.size, samples.size))
    cut = before.size - gain.size
    mixed = before[cut:] * gain + samples[: gain.size] * gain[::-1]
    return np.concatenate((before[:cut], mixed, samples[gain.size :]))


def _gain(length: int) -> Samples:
    """The falling half of an equal-power fade, shape (length,): its square and its mirror's square add up to 1."""
    gain: Samples = np.cos((np.arange(length) + 0.5) * (np.pi / 2 / max(1, length))).astype(np.float32)
    return gain
