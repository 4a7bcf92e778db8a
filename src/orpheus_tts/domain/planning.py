"""Which chunks a text is spoken in: split where it reads well, and small enough that each fits the token budget."""

from collections.abc import Iterator
from dataclasses import replace

from orpheus_tts.domain.chunker import Chunk, ChunkLimits, split
from orpheus_tts.domain.duration import characters_for, speech_length
from orpheus_tts.domain.errors import BudgetTooSmallError

# The least that ChunkLimits allows.
_LEAST_CHARACTERS = 20
# With this budget, in tokens, no text is refused: the slowest twenty characters, symbols, take 820.
SUFFICIENT_BUDGET = 1200


def plan_chunks(text: str, limits: ChunkLimits, *, budget: int) -> Iterator[Chunk]:
    """Split a text, lazily, and split again what would not fit.

    Args:
        text: What to say.
        limits: The most characters of a chunk.
        budget: Tokens that a chunk's answer may take. A chunk that a slow reader would not finish within it is split
            further, so that a small budget makes more chunks rather than speech that is cut off.

    Yields:
        Chunks in order, numbered from 0.

    Raises:
        BudgetTooSmallError: A piece of the text cannot be spoken within the budget, however short it is cut. Never with
            `SUFFICIENT_BUDGET` or more.
    """
    index = 0
    for chunk in split(text, limits):
        for part in _fitting(chunk, limits, budget):
            yield replace(part, index=index)
            index += 1


def _fitting(chunk: Chunk, limits: ChunkLimits, budget: int) -> Iterator[Chunk]:
    most = max(_LEAST_CHARACTERS, characters_for(budget, like=chunk.text))
    if len(chunk.text) <= most:
        needed = speech_length(chunk.text).typical
        if needed > budget:
            raise BudgetTooSmallError(needed, budget)
        yield chunk
        return
    parts = list(split(chunk.text, replace(limits, max_characters=most, first_characters=most)))
    for part in parts:
        boundary = chunk.boundary if part is parts[-1] else part.boundary
        moved = replace(part, start=chunk.start + part.start, end=chunk.start + part.end, boundary=boundary)
        yield from _fitting(moved, limits, budget)
