"""How requests are spoken: the policies of the core, together."""

from dataclasses import dataclass, field

from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.repetition import RepetitionPolicy
from orpheus_tts.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisPolicy:
    """How requests are spoken.

    Attributes:
        chunks: How text is split.
        parallel_chunks: Chunks of one request generated at a time; also bounds its memory.
        joins: How chunks are joined.
        retry: What happens after a failed attempt.
        repetition: What counts as a loop.
    """

    chunks: ChunkLimits = field(default_factory=ChunkLimits)
    parallel_chunks: int = 4
    joins: JoinPolicy = field(default_factory=JoinPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    repetition: RepetitionPolicy = field(default_factory=RepetitionPolicy)

    def __post_init__(self) -> None:
        if self.parallel_chunks < 1:
            raise ValueError(f"parallel_chunks must be at least 1, not {self.parallel_chunks}.")
