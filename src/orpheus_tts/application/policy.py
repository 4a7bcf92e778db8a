"""How requests are spoken: the policies of the core, together."""

from dataclasses import dataclass, field

from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.repetition import RepetitionPolicy
from orpheus_tts.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class StallPolicy:
    """How long an engine is waited for.

    A busy engine is slow to each but never silent to all: an answer may be queued behind others, or be set aside for
    them in its middle, while they get their tokens. So silence to everybody counts for much, silence to one for little.

    Attributes:
        first_token: Seconds that an attempt waits for a token, whatever others get; a minute is longer than an engine
            should let anybody queue. Of silence to everybody, after which the engine is given up and its worker
            replaced; cancelled waits and second attempts count on.
        next_token: Seconds of silence to everybody after which an attempt that had tokens is given up and tried again.
            A token takes from a hundredth of a second on a GPU to half a second on a slow CPU.
        decode: Seconds in which no decode of anybody's returns, after which the decoder is given up, and its worker
            replaced: a stuck thread cannot be ended. The longest pass through SNAC takes some seconds on a slow CPU.

    All above 0; infinite for no limit.

    Raises:
        ValueError: One is not.
    """

    first_token: float = 60.0
    next_token: float = 10.0
    decode: float = 60.0

    def __post_init__(self) -> None:
        for name in ("first_token", "next_token", "decode"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 seconds, not {getattr(self, name)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisPolicy:
    """How requests are spoken.

    Attributes:
        chunks: How text is split.
        parallel_chunks: Chunks of one request generated at a time. Half as many more may wait, generated, for the one
            that is read: chunks differ in length, and the engine is not to wait for the longest. This bounds a
            request's memory. One until something is heard, which nothing is to delay that is said later; and one, for
            the rest of the request, once an engine has run out of memory for it.
        engine_chunks: Chunks of all requests generated at a time; further ones wait their turn (`turns`). As many as
            the engine works on at once: then it never queues, and the order is kept here.
        joins: How chunks are joined.
        retry: What happens after a failed attempt.
        repetition: What counts as a loop.
        stalls: How long an engine is waited for.
    """

    chunks: ChunkLimits = field(default_factory=ChunkLimits)
    parallel_chunks: int = 4
    engine_chunks: int = 64
    joins: JoinPolicy = field(default_factory=JoinPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    repetition: RepetitionPolicy = field(default_factory=RepetitionPolicy)
    stalls: StallPolicy = field(default_factory=StallPolicy)

    def __post_init__(self) -> None:
        for name in ("parallel_chunks", "engine_chunks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
