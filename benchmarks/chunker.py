"""How long cutting takes, and that it takes ten times as long for ten times the text: `python benchmarks/chunker.py`.

Prints, for prose and for the shapes that trip naive searches, the processor seconds for a megabyte (a million
characters) and their ratio to those for a tenth of it; about 10 is linear, 100 would be quadratic.
"""

import time

from orpheus_tts.domain.chunker import split

LONG, SHORT = 1_000_000, 100_000
PROSE = (
    "Mr. Smith went to Washington, D.C., at 5 p.m.; J. R. R. Tolkien paid $3.14 for it. “Stop!” she said. "
    "Well... “I can't… I won't go.” And then—nothing (really nothing) happened <sigh> at all. See www.example.com.\n\n"
)
SHAPES = {
    "prose": PROSE,
    "Chinese prose": "他说：“你好，世界！”然后，我们走了。",  # noqa: RUF001 - Chinese punctuation
    "one word": "x",
    "words": "word ",
    "one mark": "!",
    "full stops": ".",
    "less-than signs": "<",
    "tags": "<laugh>",
    "quotes": '"',
    "combining marks": "\u0301",
    "Chinese, no marks": "字",
    "flags": "🇫🇷",
    "lines of a letter": "a\n",
    "spaced marks": "! ",
}


def seconds(unit: str, characters: int) -> tuple[float, int]:
    """Processor seconds to split that many characters of a repeated unit, and the number of chunks."""
    text = (unit * (characters // len(unit) + 1))[:characters]
    begun = time.process_time()
    chunks = sum(1 for _ in split(text))
    return time.process_time() - begun, chunks


if __name__ == "__main__":
    print(f"{'text':20}{'chunks':>8}{'1 MB, s':>10}{'ratio':>8}")
    for name, unit in SHAPES.items():
        short, _ = seconds(unit, SHORT)
        long, chunks = seconds(unit, LONG)
        print(f"{name:20}{chunks:8}{long:10.2f}{long / short:8.1f}")
