"""The composition root: settings -> adapters -> Synthesizer -> server. No logic beyond putting parts together."""

import math
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog

from orpheus_tts.adapters.allocator import return_freed_memory
from orpheus_tts.adapters.litserve import MODEL_ALIASES, ServeOptions, run_server
from orpheus_tts.adapters.logs import LoggingObserver, configure_logging
from orpheus_tts.application import StallPolicy, SynthesisPolicy, Synthesizer
from orpheus_tts.backends import Backend, choose_backend, load_backend
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.retry import RetryPolicy
from orpheus_tts.ports import Observer
from orpheus_tts.settings import Settings
from orpheus_tts.telemetry import SpeechTelemetry, server_telemetry


def create_synthesizer(settings: Settings, *, observer: Observer | None = None) -> Synthesizer:
    """A synthesizer on the configured backend, which is loaded before this returns.

    Raises:
        BackendUnavailableError: The backend cannot run here; says what to do.
    """
    backend = _backend(settings)
    return Synthesizer(
        backend.generator, backend.decoder, observer=observer or LoggingObserver(), policy=policy(settings)
    )


def policy(settings: Settings) -> SynthesisPolicy:
    """How requests are spoken under these settings."""
    return SynthesisPolicy(
        chunks=ChunkLimits(
            max_characters=settings.chunk_characters,
            first_characters=min(settings.first_chunk_characters, settings.chunk_characters),
        ),
        parallel_chunks=settings.parallel_chunks,
        engine_chunks=settings.max_num_seqs,
        retry=RetryPolicy(max_attempts=settings.max_attempts),
        stalls=StallPolicy(
            first_token=settings.first_token_timeout or math.inf,
            next_token=settings.token_timeout or math.inf,
            decode=settings.decode_timeout or math.inf,
        ),
    )


@asynccontextmanager
async def open_synthesizer(settings: Settings | None = None) -> AsyncGenerator[Synthesizer, None]:
    """A synthesizer that is released at the end: for programs that embed this package."""
    synthesizer = create_synthesizer(settings or Settings())
    try:
        yield synthesizer
    finally:
        await synthesizer.aclose()


def serve(settings: Settings) -> int:
    """Run the server until it is told to stop; its exit code.

    Raises:
        BackendUnavailableError: There is no backend of the configured name.
    """
    # The workers import this module too, and need no codecs.
    from orpheus_tts.adapters.pyav import PyavTempo  # noqa: PLC0415
    from orpheus_tts.formats import FORMATS  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format, log_text=settings.log_text)
    choice = choose_backend(settings.backend)
    load_backend(choice.name)
    log = structlog.get_logger("orpheus_tts")
    log.info("backend chosen", backend=choice.name, because=choice.reason)
    if not settings.api_keys and settings.host != "127.0.0.1":
        remedy = "set TTS_API_KEYS, or TTS_HOST=127.0.0.1 to serve this machine only"
        log.warning("everyone who can reach this machine may use the server", host=settings.host, remedy=remedy)
    telemetry = server_telemetry(settings)
    options = ServeOptions(
        model=settings.model_name if choice.name == "vllm" else choice.name,
        backend=choice.name,
        formats=FORMATS,
        make_tempo=PyavTempo,
        default_format=settings.default_format,
        host=settings.host,
        port=settings.port,
        model_aliases=(*MODEL_ALIASES, *settings.model_aliases),
        voice=settings.default_voice,
        voice_aliases=settings.all_voice_aliases,
        sampling=settings.sampling,
        max_input_characters=settings.max_input_characters,
        write_timeout=settings.write_timeout,
        deadline=settings.deadline,
        max_requests=settings.max_requests or 4 * settings.max_num_seqs,
        max_queued_requests=settings.max_queued_requests or 2 * settings.max_num_seqs,
        max_queued_characters=settings.max_queued_characters or 4096 * settings.max_num_seqs,
        max_requests_per_key=settings.max_requests_per_key,
        http_processes=settings.http_workers,
        graceful_timeout=settings.graceful_timeout,
        worker_timeout=settings.worker_timeout,
        api_keys=tuple(key.get_secret_value() for key in settings.api_keys),
        open_listings=settings.open_listings,
        cors_origins=settings.cors_origins,
        log_level=settings.log_level,
        observers=telemetry.observers,
        metrics=telemetry.metrics,
        open_metrics=settings.open_metrics,
        tracer=telemetry.tracer,
    )
    return_freed_memory()
    # Workers must not choose again: what the log said holds.
    return run_server(options, partial(_worker_synthesizer, settings.model_copy(update={"backend": choice.name})))


def _worker_synthesizer(settings: Settings, _device: str) -> Synthesizer:
    """Made in each worker, a new interpreter. The engines choose their devices themselves."""
    configure_logging(settings.log_level, settings.log_format, log_text=settings.log_text)
    if settings.backend == "embedded":
        return_freed_memory()
    telemetry = SpeechTelemetry(settings)
    backend = telemetry.measured(_backend(settings))
    return _WatchedSynthesizer(
        backend.generator, backend.decoder, observer=telemetry.observer, policy=policy(settings), telemetry=telemetry
    )


def _backend(settings: Settings) -> Backend:
    executor = ThreadPoolExecutor(settings.max_workers, thread_name_prefix="orpheus")
    return load_backend(choose_backend(settings.backend).name)(settings, executor)


class _WatchedSynthesizer(Synthesizer):
    """One whose end is the end of what watches it."""

    def __init__(self, *engines: Any, telemetry: SpeechTelemetry, **options: Any) -> None:
        super().__init__(*engines, **options)
        self._telemetry = telemetry

    async def aclose(self) -> None:
        await super().aclose()
        await self._telemetry.aclose()
