"""What the clients of a soak ask for: texts of several languages and lengths, in every form of answer there is."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
MODES = ("audio", "file", "sse")
SPEEDS = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)
MODELS = ("orpheus", "tts-1", "gpt-4o-mini-tts")
TIMESTAMPS = (None, "chunk", "word")

# Voices of the language, and sentences that a text of any length is made of.
_LANGUAGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("tara", "leo", "alloy"),
        (
            "It was a quiet morning in the harbour when the captain first saw the light on the rock.",
            "Nobody had lit it for 20 years, and Dr. Hale said as much.",
            'He laughed. "Then who is up there?" <chuckle> Not one of us could tell.',
        ),
    ),
    "de": (
        ("jana", "thomas"),
        (
            "Der Zug um 7.45 Uhr fährt heute von Gleis 3.",
            "Wer nach Köln will, steigt bitte am 3. Oktober in Düsseldorf um; das dauert etwa zehn Minuten.",
        ),
    ),
    "fr": (
        ("pierre", "marie"),
        ("Où est la gare ? À côté de l'église, je crois.", "Nous n'avons plus que 3,50 euros, hélas."),
    ),
    "es": (("javi", "maria"), ("¿Cuánto cuesta? Doce euros con cincuenta.", "El señor García llegó ayer de Málaga.")),
    "it": (("pietro", "giulia"), ("La città dorme ancora.", "Perché no? Domani c'è il sole, dicono tutti.")),
    "hi": (("ऋतिका",), ("आज मौसम बहुत अच्छा है।", "हम शाम को नदी के किनारे टहलने जाएँगे।")),
    "zh": (("长乐", "白芷"), ("今天天气很好。", "我们下午三点在图书馆门口见面,好吗?")),
    "ko": (("유나", "준서"), ("오늘은 날씨가 아주 좋습니다.", "우리 오후에 강가로 산책하러 갈까요?")),
}
SHORT, MEDIUM, LONG, LONGEST = 60, 900, 6_000, 100_000
# Where a character is about one sound, a text of as many is spoken no shorter than elsewhere.
_DENSE = frozenset({"zh", "ko"})


@dataclass(frozen=True, slots=True)
class Script:
    """A text and its voice: what is spoken, whatever the form of the answer. `size` names its length class."""

    language: str
    voice: str
    text: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request for speech.

    Attributes:
        script: What to say.
        response_format: One of `FORMATS`.
        mode: One of `MODES`: streamed audio, a complete file, or events.
        timestamps: One of `TIMESTAMPS`; only among events.
        speed: 0.25 to 4.
        model: One of `MODELS`.
    """

    script: Script
    response_format: str = "pcm"
    mode: str = "audio"
    timestamps: str | None = None
    speed: float = 1.0
    model: str = "orpheus"

    def body(self) -> dict[str, Any]:
        """The request's JSON."""
        fields: dict[str, Any] = {
            "model": self.model,
            "input": self.script.text,
            "voice": self.script.voice,
            "response_format": self.response_format,
        }
        if self.mode == "sse":
            fields["stream_format"] = "sse"
        if self.mode == "file":
            fields["stream"] = False
        if self.timestamps is not None:
            fields["timestamps"] = self.timestamps
        if self.speed != 1:
            fields["speed"] = self.speed
        return fields


def script(language: str, size: int, *, voice: int = 0) -> Script:
    """The text of that language of about that many characters, ended at a sentence; of the longest, exactly."""
    voices, sentences = _LANGUAGES[language]
    limit = size // 4 if language in _DENSE else size
    text = ""
    for sentence in itertools.cycle(sentences):
        if text and len(text) + 1 + len(sentence) > limit:
            break
        text += f" {sentence}" if text else sentence
    if size == LONGEST:
        text += "." * (size - len(text))
    return Script(language, voices[voice % len(voices)], text, size)


def known_scripts() -> list[Script]:
    """Those of which a reference is taken before the load: two short ones and a medium one of every language."""
    return [
        *(script(language, SHORT, voice=voice) for language in _LANGUAGES for voice in (0, 1)),
        *(script(language, MEDIUM) for language in _LANGUAGES),
        *(script(language, LONG) for language in ("en", "de")),
    ]


def draw(random: Random, scripts: list[Script]) -> Order:
    """Any order for one of these texts; most of them short."""
    weights = {SHORT: 10, MEDIUM: 4, LONG: 1}
    (chosen,) = random.choices(scripts, [weights[each.size] for each in scripts])
    mode = random.choice(MODES)
    fast = chosen.size < LONG and random.random() < 0.4  # noqa: PLR2004 - as often as the rest
    return Order(
        script=chosen,
        response_format=random.choice(FORMATS),
        mode=mode,
        timestamps=random.choice(TIMESTAMPS) if mode == "sse" else None,
        speed=random.choice(SPEEDS) if fast else 1.0,
        model=random.choice(MODELS),
    )
