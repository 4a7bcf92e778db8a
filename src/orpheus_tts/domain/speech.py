"""A request to speak: the text, the voice, and how tokens are sampled. Invalid values cannot be constructed."""

import math
from dataclasses import dataclass, field

from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.tokens import CODES_PER_FRAME
from orpheus_tts.domain.voices import DEFAULT_VOICE, Voice, find_voice

TEMPERATURE_RANGE = (0.0, 2.0)
TOP_K_RANGE = (0, 4096)
MIN_P_RANGE = (0.0, 1.0)
REPETITION_PENALTY_RANGE = (1.0, 2.0)
MAX_TOKENS_RANGE = (CODES_PER_FRAME, 65_536)
SEED_RANGE = (0, 2**53 - 1)  # whole numbers that every reader of JSON keeps exactly
SPEED_RANGE = (0.25, 4.0)  # OpenAI's


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is drawn.

    The defaults are the values Orpheus's authors and users settled on: without a repetition penalty of 1.1 or more
    the model falls into loops or silence.

    Attributes:
        temperature: 0.0 (greedy) to 2.0.
        top_p: Above 0.0, up to 1.0.
        top_k: Tokens are drawn from this many likeliest ones, up to the 4,096 codes of a slot; 0 for no such limit.
        min_p: Tokens below this share of the likeliest one's probability are not drawn, 0.0 (no such limit) to 1.0.
        repetition_penalty: 1.0 (none) to 2.0.
        max_tokens: Budget of one chunk's answer in tokens; one second of speech is 82 of them. The default lets a slow
            reader finish 500 characters.
        seed: Same seed, same samples on a deterministic backend; None draws afresh.

    Raises:
        InvalidRequestError: A value is outside its range; names the field.
    """

    temperature: float = 0.6
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.1
    max_tokens: int = 6144
    seed: int | None = None

    def __post_init__(self) -> None:
        _check_range("temperature", self.temperature, *TEMPERATURE_RANGE)
        _check_range("top_k", self.top_k, *TOP_K_RANGE)
        _check_range("min_p", self.min_p, *MIN_P_RANGE)
        _check_range("repetition_penalty", self.repetition_penalty, *REPETITION_PENALTY_RANGE)
        _check_range("max_tokens", self.max_tokens, *MAX_TOKENS_RANGE)
        if self.seed is not None:
            _check_range("seed", self.seed, *SEED_RANGE)
        if not 0.0 < self.top_p <= 1.0:
            raise InvalidRequestError("top_p", f"top_p must be above 0 and at most 1, not {self.top_p}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """One text to be spoken by one voice.

    Attributes:
        text: What to say; emotion tags such as `<laugh>` are spoken as sounds. Must hold something but white space.
        voice: A name or alias as in `orpheus_tts.domain.voices`.
        sampling: How tokens are drawn.
        deadline: Seconds from the start of the stream to its end; None for no limit.
        request_id: Goes into every observed event.
        traceparent: Where observers that follow requests further are to tell of it, as the W3C writes it; may be empty.

    Raises:
        InvalidRequestError: The text is empty or holds half a surrogate pair, or the deadline is not positive.
        UnknownVoiceError: There is no such voice.
    """

    text: str
    voice: str = DEFAULT_VOICE
    sampling: Sampling = field(default_factory=Sampling)
    deadline: float | None = None
    request_id: str = ""
    traceparent: str = ""

    def __post_init__(self) -> None:
        try:
            self.text.encode()  # a loop over the characters of a book takes forty times as long
        except UnicodeEncodeError:
            raise InvalidRequestError(
                "input", "The input holds half a surrogate pair, which is no character."
            ) from None
        if not self.text.strip():
            raise InvalidRequestError("input", "The input is empty: there is nothing to say.", code="empty_input")
        if self.deadline is not None and not self.deadline > 0:
            raise InvalidRequestError("deadline", f"deadline must be above 0 seconds, not {self.deadline}.")
        find_voice(self.voice)

    @property
    def speaker(self) -> Voice:
        """The voice that the name or alias stands for."""
        return find_voice(self.voice)


def check_speed(speed: float) -> None:
    """Check how fast finished speech is to be played, 1.0 being as it was spoken.

    Raises:
        InvalidRequestError: It is not between 0.25 and 4.0.
    """
    _check_range("speed", speed, *SPEED_RANGE)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high or math.isnan(value):
        raise InvalidRequestError(name, f"{name} must be between {low} and {high}, not {value}.")
