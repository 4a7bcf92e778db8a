"""How often a chunk is tried, and how sampling changes from attempt to attempt."""

import math
from dataclasses import dataclass, replace

from orpheus_tts.domain.speech import REPETITION_PENALTY_RANGE, SEED_RANGE, TEMPERATURE_RANGE, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a chunk is tried, and how sampling changes from attempt to attempt.

    A model that looped or stopped early would mostly do so again from the same draw. Each attempt therefore penalises
    repetition a little more, draws a little more freely, and from another seed.

    Attributes:
        max_attempts: Attempts at one chunk, the first included; at least 1.
        penalty_step: Added to the repetition penalty with every attempt after the first; at least 0.
        temperature_step: Added to the temperature likewise; at least 0.
        highest_penalty: The repetition penalty is not raised beyond this, 1.0..2.0; 2.0 is the most a request may ask.
        highest_temperature: The temperature is not raised beyond this, 0.0..2.0. Orpheus's users keep to 0.2..0.6;
            1.2 bounds how far a retry strays from there.

    Raises:
        ValueError: A value is out of range; names it.
    """

    max_attempts: int = 4
    penalty_step: float = 0.1
    temperature_step: float = 0.1
    highest_penalty: float = REPETITION_PENALTY_RANGE[1]
    highest_temperature: float = 1.2

    def __post_init__(self) -> None:
        _check_range("max_attempts", self.max_attempts, 1, math.inf)
        _check_range("penalty_step", self.penalty_step, 0.0, math.inf)
        _check_range("temperature_step", self.temperature_step, 0.0, math.inf)
        _check_range("highest_penalty", self.highest_penalty, *REPETITION_PENALTY_RANGE)
        _check_range("highest_temperature", self.highest_temperature, *TEMPERATURE_RANGE)

    def sampling(self, base: Sampling, attempt: int) -> Sampling:
        """How tokens are drawn in an attempt.

        Args:
            base: The user's own values. One above a limit stays as it is.
            attempt: From 0, which is `base` itself.

        Returns:
            `base` with another repetition penalty, temperature and, where it has one, seed.

        Raises:
            ValueError: `attempt` is negative.
        """
        if attempt < 0:
            raise ValueError(f"attempt must be at least 0, not {attempt}.")
        return replace(
            base,
            repetition_penalty=_raised(base.repetition_penalty, attempt * self.penalty_step, self.highest_penalty),
            temperature=_raised(base.temperature, attempt * self.temperature_step, self.highest_temperature),
            seed=None if base.seed is None else (base.seed + attempt) % (SEED_RANGE[1] + 1),
        )


def _raised(value: float, by: float, highest: float) -> float:
    return max(value, min(value + by, highest))


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # not-a-number included
        raise ValueError(f"{name} must be between {low} and {high}, not {value}.")
