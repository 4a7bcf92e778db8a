# ruff: noqa: SIM905 - a list of words reads best as words
"""A chapter of a book of any length: sentences of many lengths in paragraphs, made up, the same every time."""

from random import Random

_WHO = (
    "the captain|her sister|an old surveyor|the boy from the mill|Dr. Hale|nobody in the village|the harbour master|"
    "my grandfather|a woman in grey|Mrs. Lindqvist|the younger of the two|the postman|one of the fishermen|"
    "the doctor's wife|a stranger|the whole crew|the schoolmistress|Tom"
).split("|")
_DID = (
    "looked at|had forgotten|was waiting for|never spoke of|carried|drew a map of|could not find|wrote home about|"
    "walked slowly towards|laughed at|had once owned|listened for|kept a record of|was afraid of|counted|asked about|"
    "had dreamt of|pointed at"
).split("|")
_WHAT = (
    "the light on the rock|a box of letters|the last ferry|the road across the marsh|an empty house|the bell in the "
    "tower|three pairs of boots|the price of salt|a dog with one white ear|the sound behind the wall|the storm of '87|"
    "a key that fitted nothing|the garden below the cliff|an unpaid bill|the lamp in the upper window|the tide"
).split("|")
_WHEN = (
    "that morning|long before the war|at a quarter past nine|when the rain had stopped|in the second week of March|for "
    "the first time in twenty years|as if nothing had happened|before anyone was awake|on the way back|once more|"
    "without a word|every Sunday after church"
).split("|")
_LINK = ("and", "but", "because", "while", "although", "so")
_SAYS = ("said", "asked", "whispered", "answered")
_SHORT = (
    "It was no use.",
    "He did not answer.",
    "Then the door opened.",
    "Nothing moved.",
    "They waited.",
    "Who knows?",
)


def chapter(characters: int, *, seed: int = 7) -> str:
    """Text of at most so many characters, a few fewer, ended by a full stop.

    But for that full stop a shorter one is the beginning of a longer one.
    """
    random = Random(seed)
    paragraphs: list[str] = []
    length = 0
    while length < characters:
        paragraphs.append(" ".join(_sentence(random) for _ in range(random.randint(1, 9))))
        length += len(paragraphs[-1]) + 2
    return "\n\n".join(paragraphs)[: characters - 1].rstrip() + "."


def _sentence(random: Random) -> str:
    if random.random() < 0.15:  # noqa: PLR2004 - as often as in a novel
        return random.choice(_SHORT)
    clauses = [_clause(random)]
    while random.random() < 0.4:  # noqa: PLR2004 - few sentences have more than three
        clauses.append(f"{random.choice(_LINK)} {_clause(random)}")
    text = ", ".join(clauses)
    if random.random() < 0.2:  # noqa: PLR2004 - dialogue
        return f"“{_capital(text)},” {random.choice(_SAYS)} {random.choice(_WHO)}."
    return f"{_capital(text)}."


def _clause(random: Random) -> str:
    words = [random.choice(_WHO), random.choice(_DID), random.choice(_WHAT)]
    if random.random() < 0.5:  # noqa: PLR2004 - every other one
        words.append(random.choice(_WHEN))
    return " ".join(words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
