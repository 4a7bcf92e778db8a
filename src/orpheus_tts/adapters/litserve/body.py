"""The body of a speech request, as OpenAI's clients send it, and what it means."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from orpheus_tts.adapters.litserve.errors import ModelNotFoundError
from orpheus_tts.adapters.litserve.framing import FRAMINGS, Framing
from orpheus_tts.adapters.litserve.options import RESPONSE_FORMATS, ServeOptions
from orpheus_tts.adapters.litserve.timestamps import TIMESTAMPS, Timestamps
from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.speech import (
    MAX_TOKENS_RANGE,
    MIN_P_RANGE,
    REPETITION_PENALTY_RANGE,
    SEED_RANGE,
    SPEED_RANGE,
    TEMPERATURE_RANGE,
    TOP_K_RANGE,
    SpeechRequest,
    check_speed,
)
from orpheus_tts.domain.voices import Voice, find_voice
from orpheus_tts.ports import OutputFormat

_SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed")

# A number that is none in JSON (a string, true) is a mistake to be told, and NaN and Infinity are not JSON at all.
_Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class VoiceReference(BaseModel):
    """A voice by its id, the other form OpenAI allows."""

    id: StrictStr


class SpeechBody(BaseModel):
    """What to say and how. Every optional field may be null or left out; unknown fields are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "orpheus", "input": "Hello! <laugh> It works.", "voice": "tara"},
                {"model": "tts-1", "input": "A complete file.", "voice": "nova", "stream": False},
            ]
        }
    )

    input: StrictStr = Field(
        description="The text to speak, with Orpheus's tags such as `<laugh>` or `<sigh>` if you like. GET / tells the "
        "most characters this server takes."
    )
    model: StrictStr | None = Field(None, description="The model's id or one of its aliases; see GET /v1/models.")
    voice: StrictStr | VoiceReference | None = Field(
        None, description="A voice's name, or OpenAI's name for one; see GET /v1/audio/voices."
    )
    response_format: StrictStr | None = Field(
        None,
        description="`opus` comes in Ogg, `aac` as ADTS; `pcm` is signed 16-bit little-endian samples, 24 kHz, mono, "
        "no header. GET / tells this server's default.",
        json_schema_extra={"enum": [*RESPONSE_FORMATS, None]},
    )
    stream: StrictBool | None = Field(
        None,
        description="true (the default): sent while it is spoken, a wav with a header of unknown length. false: sent "
        "when it is complete, with true sizes and Content-Length.",
    )
    speed: _Real | None = Field(
        None,
        description="How fast it is spoken, from 0.25 to 4.0; 1.0 is the default. The pitch stays.",
        json_schema_extra={"minimum": SPEED_RANGE[0], "maximum": SPEED_RANGE[1]},
    )
    stream_format: StrictStr | None = Field(
        None,
        description="`audio` (the default): the body is the audio. `sse`: server-sent events with the audio in base64, "
        "and what it took in tokens at the end.",
        json_schema_extra={"enum": [*FRAMINGS, None]},
    )
    timestamps: StrictStr | None = Field(
        None,
        description="With `sse` only: events that tell when each `word` or each `chunk` of the text is heard, in "
        "seconds of the audio that is sent.",
        json_schema_extra={"enum": [*TIMESTAMPS]},
    )
    instructions: StrictStr | None = Field(
        None, description="Accepted for compatibility. This model is not steered by instructions: use tags in the text."
    )
    temperature: Annotated[_Real, Field(ge=TEMPERATURE_RANGE[0], le=TEMPERATURE_RANGE[1])] | None = Field(
        None, description="How freely tokens are drawn; 0 always takes the likeliest."
    )
    top_p: Annotated[_Real, Field(gt=0, le=1)] | None = Field(
        None, description="Tokens are drawn from the likeliest that make up this share of the probability."
    )
    top_k: Annotated[StrictInt, Field(ge=TOP_K_RANGE[0], le=TOP_K_RANGE[1])] | None = Field(
        None, description="Tokens are drawn from this many likeliest ones; 0 for no such limit."
    )
    min_p: Annotated[_Real, Field(ge=MIN_P_RANGE[0], le=MIN_P_RANGE[1])] | None = Field(
        None, description="Tokens below this share of the likeliest one's probability are not drawn."
    )
    repetition_penalty: (
        Annotated[_Real, Field(ge=REPETITION_PENALTY_RANGE[0], le=REPETITION_PENALTY_RANGE[1])] | None
    ) = Field(None, description="Above 1 makes tokens already used less likely. Below 1.1 Orpheus falls into loops.")
    max_tokens: Annotated[StrictInt, Field(ge=MAX_TOKENS_RANGE[0], le=MAX_TOKENS_RANGE[1])] | None = Field(
        None, description="Token budget of each chunk of the text; a second of speech is 82 tokens."
    )
    seed: Annotated[StrictInt, Field(ge=SEED_RANGE[0], le=SEED_RANGE[1])] | None = Field(
        None, description="Same seed, same speech, as far as the backend is deterministic."
    )


@dataclass(frozen=True, slots=True)
class SpeechOrder:
    """A body understood: what to speak, and how to send it."""

    request: SpeechRequest
    output: OutputFormat
    speed: float
    framing: type[Framing]
    timestamps: Callable[[float], Timestamps]
    stream: bool


def understand(body: SpeechBody, options: ServeOptions, *, request_id: str) -> SpeechOrder:
    """What a body asks for.

    Raises:
        ModelNotFoundError: It names a model that is not served.
        InvalidRequestError: A field has a value that is not possible here.
        UnknownVoiceError: There is no such voice.
    """
    if body.model is not None and body.model not in options.model_ids:
        raise ModelNotFoundError(body.model, options.model_ids)
    output = _output(body, options)
    speed = 1.0 if body.speed is None else body.speed
    check_speed(speed)
    framing, timestamps = _framing(body), _timestamps(body)
    _check_text(body.input, options.max_input_characters)
    sampling = {name: getattr(body, name) for name in _SAMPLING_FIELDS if getattr(body, name) is not None}
    request = SpeechRequest(
        text=body.input,
        voice=_voice(body.voice, options).name,
        sampling=replace(options.sampling, **sampling),
        deadline=options.deadline,
        request_id=request_id,
    )
    return SpeechOrder(request, output, speed, framing, timestamps, stream=body.stream is not False)


def _output(body: SpeechBody, options: ServeOptions) -> OutputFormat:
    name = options.default_format if body.response_format is None else body.response_format
    if name not in options.formats:
        *most, last = options.formats
        raise InvalidRequestError(
            "response_format",
            f"This server makes {', '.join(most)} and {last}, not {name[:40]!r}: set response_format to one of these.",
            code="unsupported_format",
        )
    return options.formats[name]


def _framing(body: SpeechBody) -> type[Framing]:
    name = "audio" if body.stream_format is None else body.stream_format
    if name not in FRAMINGS:
        raise InvalidRequestError(
            "stream_format",
            f"This server streams {' or '.join(FRAMINGS)}, not {name[:40]!r}: set stream_format to one of these.",
            code="unsupported_value",
        )
    if name == "sse" and body.stream is False:
        raise InvalidRequestError(
            "stream", "Events are always streamed: leave out either stream=false or stream_format='sse'."
        )
    return FRAMINGS[name]


def _timestamps(body: SpeechBody) -> Callable[[float], Timestamps]:
    name = body.timestamps
    if name not in TIMESTAMPS:
        allowed = " or ".join(filter(None, TIMESTAMPS))
        raise InvalidRequestError(
            "timestamps",
            f"This server tells when each {allowed} is heard, not {str(name)[:40]!r}: set timestamps to one of these.",
            code="unsupported_value",
        )
    if name is not None and body.stream_format != "sse":
        raise InvalidRequestError(
            "timestamps", "Timestamps come as events: set stream_format to 'sse', or leave out timestamps."
        )
    return TIMESTAMPS[name]


def _voice(given: StrictStr | VoiceReference | None, options: ServeOptions) -> Voice:
    name = given.id if isinstance(given, VoiceReference) else given
    return find_voice(options.voice if name is None else name, options.voice_aliases)


def _check_text(text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidRequestError(
            "input",
            f"The input has {len(text)} characters; this server takes up to {limit}.",
            code="string_above_max_length",
        )
