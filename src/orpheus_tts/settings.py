"""The only place that reads the environment: `.env` and the variables of `.env.sample`, validated."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orpheus_tts.domain import speech
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.voices import ALIASES, DEFAULT_VOICE, VOICES, find_voice

_DEFAULTS = Sampling()


def _known_voice(name: str, info: ValidationInfo) -> str:
    return find_voice(name, {**ALIASES, **info.data.get("voice_aliases", {})}).name


def _listed_keys(value: Any) -> Any:
    """Whoever writes but commas means to lock the server, not to open it."""
    keys = _listed(value)
    if value and not keys:
        raise ValueError("there is no key in it")
    return keys


def _with_keys(limit: int, info: ValidationInfo) -> int:
    if not info.data.get("api_keys"):
        raise ValueError("there are no keys; set TTS_API_KEYS")
    return limit


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """A list written with commas, as its items."""
    return [item for part in value.split(",") if (item := part.strip())] if isinstance(value, str) else value


def _json_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        content = json.loads(value)
    except ValueError as error:
        raise ValueError('write it as a JSON object, such as {"quantization": "fp8"}') from error
    return content


def _paired(value: Any) -> Any:
    """Names written as `alias=voice`, with commas between them, as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [item.partition("=") for item in _listed(value)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write it as alias=voice,alias=voice")
    return {alias.strip().lower(): voice for alias, _, voice in pairs}


def _known_voices(aliases: dict[str, str]) -> dict[str, str]:
    if not all(aliases):
        raise ValueError("an alias is empty")
    if voices := sorted(aliases.keys() & VOICES.keys()):
        raise ValueError(f"{voices[0]} is a voice's own name")
    return {alias: find_voice(voice).name for alias, voice in aliases.items()}


# As browsers send it: no path, and no slash at the end. `null` is a page from a file.
Origin = Annotated[str, Field(pattern=r"^(\*|null|[a-z][a-z0-9+.-]*://[^/\s]+)$")]


class Settings(BaseSettings):
    """Everything that can be configured. Each field's variable is its name in capitals after `TTS_`, unless it says so.

    Raises:
        pydantic.ValidationError: A variable has a value that is not allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix="TTS_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        protected_namespaces=(),
    )

    # Server
    host: Literal["0.0.0.0", "127.0.0.1", "::"] = "0.0.0.0"  # noqa: S104 - a server is there to be reached
    """Address to listen on: every IPv4 address, this machine only, or every IPv6 address."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8880
    """Port to listen on."""
    http_workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that speak HTTP."""
    graceful_timeout: Annotated[float, Field(ge=0)] = 30.0
    """Seconds that running answers get to finish once the server is told to stop."""
    worker_timeout: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """Seconds without a sign of life after which a worker is replaced, 5 or more; 0 for never."""
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed_keys)] = ()
    """Keys, separated by commas, of which every request must bring one; none needed if empty."""
    open_listings: bool = True
    """Whether models and voices are listed without a key as well, as Open WebUI asks for them."""
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Web pages of these origins, separated by commas, may use the server; `*` for any."""
    metrics: bool = True
    """Whether figures for Prometheus are gathered, and shown at `/metrics`."""
    open_metrics: bool = True
    """Whether they are shown without a key as well; they tell nothing of what is said."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(_lower), Field(validation_alias="LOG_LEVEL")
    ] = "info"
    """`LOG_LEVEL`: how much is logged."""
    log_text: bool = False
    """Whether the text of requests is logged."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` logs for people on a terminal and JSON elsewhere."""

    # Requests
    voice_aliases: Annotated[dict[str, str], NoDecode, BeforeValidator(_paired), AfterValidator(_known_voices)] = Field(
        default_factory=dict
    )
    """More names for voices beside OpenAI's, or in place of one: `narrator=leo,alloy=mia`."""
    model_aliases: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """More names for the model beside OpenAI's, separated by commas."""
    default_voice: Annotated[str, AfterValidator(_known_voice)] = DEFAULT_VOICE
    """Voice of requests that name none."""
    default_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "wav"
    """Format of requests that name none; OpenAI's own default is mp3."""
    max_input_characters: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    """Longest input of one request."""
    max_requests: Annotated[int, Field(ge=1)] | None = None
    """Most requests for speech in flight; four times `TTS_MAX_NUM_SEQS` if empty."""
    max_queued_requests: Annotated[int, Field(ge=1)] | None = None
    """Most of these without any audio yet; twice `TTS_MAX_NUM_SEQS` if empty."""
    max_queued_characters: Annotated[int, Field(ge=1)] | None = None
    """Most characters that these have together, but any request is taken if there is no other; 4,096 times
    `TTS_MAX_NUM_SEQS` if empty."""
    max_requests_per_key: Annotated[int, Field(ge=1), AfterValidator(_with_keys)] | None = None
    """Most requests in flight with one of `TTS_API_KEYS`; no such limit if empty."""
    write_timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds a client may take nothing at all of its answer before the connection is cut."""
    deadline: Annotated[float, Field(gt=0)] | None = None
    """Seconds after which an unfinished answer ends with an error; none if empty."""
    chunk_characters: Annotated[int, Field(ge=40, le=4_000)] = 500
    """Longer text is split into chunks of at most this many characters."""
    first_chunk_characters: Annotated[int, Field(ge=20, le=4_000)] = 180
    """About how long the first of several chunks is: shorter is sooner heard."""
    parallel_chunks: Annotated[int, Field(ge=1, le=64)] = 4
    """How many chunks of one request are generated at a time."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 4
    """How often a chunk is tried before the request fails."""
    first_token_timeout: Annotated[float, Field(ge=0)] = 60.0
    """Seconds that a chunk waits for the engine's first token before it is tried again; if nobody has any token for as
    long, the worker is replaced. 0 for no limit."""
    token_timeout: Annotated[float, Field(ge=0)] = 10.0
    """Seconds in which the engine gives nobody a token before a chunk that had some is tried again. 0 for no limit."""
    decode_timeout: Annotated[float, Field(ge=0)] = 60.0
    """Seconds in which nothing comes from the codec before the worker is replaced. 0 for no limit."""

    # Sampling: what a request that does not say gets
    temperature: Annotated[float, Field(ge=speech.TEMPERATURE_RANGE[0], le=speech.TEMPERATURE_RANGE[1])] = (
        _DEFAULTS.temperature
    )
    """How freely tokens are drawn; 0 always takes the likeliest."""
    top_p: Annotated[float, Field(gt=0, le=1)] = _DEFAULTS.top_p
    """Tokens are drawn from the likeliest that make up this share of the probability."""
    repetition_penalty: Annotated[
        float, Field(ge=speech.REPETITION_PENALTY_RANGE[0], le=speech.REPETITION_PENALTY_RANGE[1])
    ] = _DEFAULTS.repetition_penalty
    """Above 1 makes tokens that were already used less likely. Below 1.1 Orpheus falls into loops."""
    max_tokens: Annotated[int, Field(ge=speech.MAX_TOKENS_RANGE[0], le=speech.MAX_TOKENS_RANGE[1])] = (
        _DEFAULTS.max_tokens
    )
    """Token budget of one chunk; chunks are made small enough to fit it. One second of speech is 82 tokens."""

    # Backend
    backend: str = "auto"
    """`vllm` (Orpheus on a GPU), `embedded` (an eSpeak NG voice), a plugin's name, or `auto`: what can run here."""
    model_name: str = "canopylabs/orpheus-3b-0.1-ft"
    """Checkpoint of the model: a hub id or a local folder."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "bfloat16"
    """Type of the weights in the engine."""
    max_model_len: Annotated[int, Field(ge=64)] = 8192
    """Most tokens that a chunk's prompt and answer have together."""
    tensor_parallel_size: Annotated[int, Field(ge=1)] = 1
    """GPUs that share the model."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the GPU's memory that the engine takes."""
    max_num_seqs: Annotated[int, Field(ge=1)] = 64
    """Most chunks that the engine works on at once, over all requests."""
    engine_args: Annotated[dict[str, Any], NoDecode, BeforeValidator(_json_object)] = Field(default_factory=dict)
    """More arguments of vLLM's engine, as JSON, such as `{"quantization": "fp8"}`."""
    auto_fit: bool = True
    """Whether memory share and length above are lowered, and SNAC moved to the CPU, where a GPU has too little room."""
    snac_model: Annotated[str, Field(validation_alias="SNAC_MODEL")] = "hubertsiuzdak/snac_24khz"
    """`SNAC_MODEL`: checkpoint of the codec: a hub id or a local folder."""
    snac_device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", validation_alias="SNAC_DEVICE")] = "auto"
    """`SNAC_DEVICE`: where the codec runs: `cuda`, `cuda:1`, `cpu`, `mps`, or `auto`."""
    snac_max_batch_size: Annotated[int, Field(ge=1, validation_alias="SNAC_MAX_BATCH_SIZE")] = 32
    """`SNAC_MAX_BATCH_SIZE`: most windows that are decoded in one call."""
    snac_batch_timeout: Annotated[float, Field(ge=0, le=1, validation_alias="SNAC_BATCH_TIMEOUT")] = 0.002
    """`SNAC_BATCH_TIMEOUT`: seconds that a window waits for others to be decoded with."""
    max_workers: Annotated[int, Field(ge=1, le=64)] = 4
    """Threads for blocking work: decoding, and rendering on the embedded backend."""

    def voice(self, name: str | None = None) -> str:
        """The voice of that name or alias, the default one without a name.

        Raises:
            UnknownVoiceError: There is none.
        """
        return find_voice(name or self.default_voice, self.all_voice_aliases).name

    @property
    def all_voice_aliases(self) -> dict[str, str]:
        """Voices by all further names for them, OpenAI's included."""
        return {**ALIASES, **self.voice_aliases}

    @property
    def sampling(self) -> Sampling:
        """What a request that does not say gets."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            max_tokens=self.max_tokens,
        )


class TraceSettings(BaseSettings):
    """Whether the standard variables of OpenTelemetry ask for traces; its SDK reads them, and all others, itself."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True, extra="ignore", frozen=True)

    traces_exporter: str | None = None
    """Names with commas: `otlp` sends traces, also without an address; without it, nothing is sent."""
    exporter_otlp_endpoint: str | None = None
    """Where everything is sent; asks for traces by itself."""
    exporter_otlp_traces_endpoint: str | None = None
    """Where traces are sent; likewise."""

    @property
    def asked_for(self) -> bool:
        """Whether traces are to be sent."""
        if self.traces_exporter is not None:
            return "otlp" in (name.strip() for name in self.traces_exporter.split(","))
        return bool(self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint)
