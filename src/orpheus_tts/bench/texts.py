"""What is to be said: texts of the length asked for, or those of a file."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType

_SENTENCES = (
    "It was a quiet morning in the harbour when the captain first saw the light on the rock.",
    "Nobody had lit it for twenty years.",
    "She folded the letter twice and put it back where she had found it.",
    "The train to the coast leaves at a quarter past nine, from the far platform.",
    "Rain came in from the west and did not stop until the evening.",
    "He laughed, and for a moment he looked like the boy in the photograph.",
    "We could hear the river long before we could see it.",
    "The library closes early on Fridays, but the reading room stays open.",
    "There were seven keys on the ring, and not one of them fitted.",
    "If you turn left at the mill, the path climbs slowly through the wood.",
    "My grandmother baked bread every Saturday, whatever the weather.",
    "The orchestra was still tuning when the lights went down.",
    "You will find the answer in the second chapter, near the end.",
    "A small dog followed them all the way to the bridge.",
    "By noon the square was full of people who had come to see the clock.",
    "The engineer wrote the number on the wall so that nobody would forget it.",
    "Two of the windows face the garden, and the third one faces the street.",
    "In the spring the road is under water for a week or two.",
    "The doctor asked three questions and listened to each answer with care.",
    "Somebody had left a lamp burning in the kitchen.",
)
# Sentences of a text, and how often each length comes in a mix: most answers are short, as in a conversation.
_LENGTHS: Mapping[str, tuple[int, int]] = MappingProxyType({"short": (1, 5), "medium": (4, 3), "long": (16, 1)})
LENGTHS = (*_LENGTHS, "mix")


def written(length: str, seed: int) -> Iterator[str]:
    """Texts without end.

    Args:
        length: One of `LENGTHS`; about 4, 17 and 66 seconds of speech, or all of them mixed 5 to 3 to 1.
        seed: Same seed, same texts.
    """
    random = Random(seed)  # noqa: S311 - must be repeatable
    sizes, weights = zip(*_LENGTHS.values(), strict=True)
    while True:
        (size,) = random.choices(sizes, weights) if length == "mix" else (_LENGTHS[length][0],)
        yield " ".join(random.sample(_SENTENCES, size))


def rotated(lines: str) -> Iterator[str]:
    """The lines of a text that are not empty, over and over.

    Raises:
        ValueError: There are none.
    """
    texts = [line.strip() for line in lines.splitlines() if line.strip()]
    if not texts:
        raise ValueError("there is no line with any text in it")
    return itertools.cycle(texts)


def prompts(texts: Iterator[str], voices: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each text with the voice whose turn it is."""
    return zip(texts, itertools.cycle(voices), strict=False)
