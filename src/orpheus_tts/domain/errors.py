"""Every error the core raises, as one tree.

    OrpheusError
     ├── InvalidRequestError        the caller's input is wrong; names the field and what is allowed
     │    ├── UnknownVoiceError
     │    ├── PromptTooLongError    text that cannot fit the engine's context
     │    └── BudgetTooSmallError   too few tokens allowed to speak any piece of the text
     ├── ChunkDefectError           one attempt at one chunk went wrong; retried
     │    ├── TokenOutOfSlotError   an id that is no code of its slot
     │    ├── TokenLoopError        the model repeats itself, or falls silent
     │    ├── EarlyEndError         end-of-speech far too soon
     │    └── MissingEndError       the budget ran out, or far more audio than the text can need
     ├── EngineError                the token engine failed
     │    ├── EngineStalledError    it gave no token for too long
     │    ├── EngineOutOfMemoryError
     │    └── EngineDeadError       and will not come back by itself
     ├── DecoderError               frames could not be turned into samples
     │    ├── DecoderOutOfMemoryError
     │    └── DecoderStalledError   a decode does not return, and will not; its worker has to be restarted
     ├── SpeechFailedError          a chunk failed on every attempt
     ├── DeadlineExceededError      the request's own deadline passed
     └── BackendUnavailableError    a backend was asked for that cannot run here; says what to do

Data is in attributes; nobody needs to match on message text. Errors cross process boundaries by name and message
(the edge maps them to status codes), so they hold no live objects.
"""

import re
from collections.abc import Iterable

# How torch says it of CUDA, MPS, cuBLAS and the CPU. It has a class only for some of them, with the same words.
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|ALLOC_FAILED", re.IGNORECASE)


class OrpheusError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidRequestError(OrpheusError, ValueError):
    """The caller's input is wrong.

    Attributes:
        field: Name of the offending request field, as the caller wrote it (`voice`, `temperature`, ...).
        code: Stable machine-readable reason, such as `invalid_value` or `unknown_voice`.
    """

    def __init__(self, field: str, message: str, *, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class UnknownVoiceError(InvalidRequestError):
    """No voice of that name; the message lists the ones there are."""

    def __init__(self, voice: str, allowed: Iterable[str]) -> None:
        names = ", ".join(allowed)
        super().__init__("voice", f"Unknown voice {voice[:80]!r}. Voices: {names}.", code="unknown_voice")
        self.voice = voice


class PromptTooLongError(InvalidRequestError):
    """The prompt leaves the engine no room to answer.

    Attributes:
        prompt_tokens: Length of the prompt in tokens.
        context_length: The engine's limit on prompt and answer together, in tokens.
    """

    def __init__(self, prompt_tokens: int, context_length: int) -> None:
        super().__init__(
            "input",
            f"A piece of the text takes {prompt_tokens} tokens, which leaves no room to speak in the engine's context "
            f"of {context_length} tokens (TTS_MAX_MODEL_LEN). Shorten the text or raise TTS_MAX_MODEL_LEN.",
            code="context_length_exceeded",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length


class BudgetTooSmallError(InvalidRequestError):
    """Even a short piece of the text takes more tokens to speak than an answer may have.

    Attributes:
        needed: What the piece takes at an ordinary pace, in tokens.
        budget: What it may have.
    """

    def __init__(self, needed: int, budget: int) -> None:
        super().__init__(
            "max_tokens",
            f"Even a short piece of this text takes about {needed} tokens to speak; max_tokens and the engine's "
            f"context (TTS_MAX_TOKENS, TTS_MAX_MODEL_LEN) allow {budget}.",
            code="max_tokens_too_small",
        )
        self.needed = needed
        self.budget = budget


class ChunkDefectError(OrpheusError):
    """One attempt at one chunk went wrong in a way that another attempt may cure.

    Attributes:
        good_tokens: How many tokens of the attempt, resumed prefix included, are sound and may be kept.
    """

    def __init__(self, message: str, *, good_tokens: int) -> None:
        super().__init__(message)
        self.good_tokens = good_tokens


class TokenOutOfSlotError(ChunkDefectError):
    """A token id that is not one of the 4,096 codes legal at its position.

    Attributes:
        position: Index of the token in the answer, from 0.
        token_id: The offending id.
    """

    def __init__(self, position: int, token_id: int, *, good_tokens: int) -> None:
        super().__init__(
            f"Token id {token_id} at position {position} is not an audio code of slot {position % 7}.",
            good_tokens=good_tokens,
        )
        self.position = position
        self.token_id = token_id


class TokenLoopError(ChunkDefectError):
    """The model repeats itself or falls silent.

    Attributes:
        begin: Index of the token at which the repeating (or silent) stretch began.
        period: Length of the repeated pattern in tokens; 7 for a silent run.
    """

    def __init__(self, message: str, *, begin: int, period: int, good_tokens: int) -> None:
        super().__init__(message, good_tokens=good_tokens)
        self.begin = begin
        self.period = period


class EarlyEndError(ChunkDefectError):
    """The model said end-of-speech long before the text can have been spoken."""


class MissingEndError(ChunkDefectError):
    """The token budget ran out before end-of-speech, or the audio is far longer than the text can need."""


class EngineError(OrpheusError):
    """The token engine failed on this request; another attempt may work."""


class EngineStalledError(EngineError):
    """The token engine gave an attempt no token for too long; another attempt may work."""


class EngineOutOfMemoryError(EngineError):
    """The token engine had not enough memory for this request; another attempt may work with less beside it."""


class EngineDeadError(EngineError):
    """The token engine is gone, or answers nobody any more; its worker has to be restarted."""


class DecoderError(OrpheusError):
    """The codec could not turn frames into samples."""


class DecoderOutOfMemoryError(DecoderError):
    """The codec had not enough memory even for a single window; another attempt may work with less beside it."""


class DecoderStalledError(DecoderError):
    """A decode does not return. Nothing can end it but the end of its process: the worker has to be restarted."""


class SpeechFailedError(OrpheusError):
    """A chunk failed on every attempt.

    Attributes:
        chunk_index: Which chunk of the request, from 0.
        attempts: How many times it was tried.
        cause: The last attempt's error message.
    """

    def __init__(self, chunk_index: int, attempts: int, cause: str) -> None:
        super().__init__(f"Chunk {chunk_index} could not be spoken in {attempts} attempts; the last one said: {cause}")
        self.chunk_index = chunk_index
        self.attempts = attempts
        self.cause = cause


class DeadlineExceededError(OrpheusError):
    """The request's own deadline passed before its speech was complete.

    Attributes:
        seconds: The deadline.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The speech was not complete within the deadline of {seconds:g} s.")
        self.seconds = seconds


class BackendUnavailableError(OrpheusError):
    """A backend was asked for that cannot run here; the message says what to do about it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of some library says that memory ran out, the machine's or a device's."""
    said = isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None
    return said or isinstance(error, MemoryError)
