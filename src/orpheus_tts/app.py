"""The composition root: settings -> adapters -> Synthesizer -> server. No logic beyond putting parts together."""

import math
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from orpheus_tts.adapters.litserve import MODEL_ALIASES, ServeOptions, run_server
from orpheus_tts.adapters.logs import AccessLog, LoggingObserver, configure_logging
from orpheus_tts.application import Observers, StallPolicy, SynthesisPolicy, Synthesizer
from orpheus_tts.backends import Backend, choose_backend, load_backend
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.retry import RetryPolicy
from orpheus_tts.ports import Observer
from orpheus_tts.settings import Settings


def create_synthesizer(settings: Settings, *, observer: Observer | None = None) -> Synthesizer:
    """A synthesizer on the configured backend, which is loaded before this returns.

    Raises:
        BackendUnavailableError: The backend cannot run here; says what to do.
    """
    return _synthesizer(settings, _backend(settings), observer or LoggingObserver())


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
    from orpheus_tts.adapters.prometheus import PrometheusMetrics  # noqa: PLC0415
    from orpheus_tts.adapters.pyav import PyavTempo  # noqa: PLC0415
    from orpheus_tts.formats import FORMATS  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format, log_text=settings.log_text)
    choice = choose_backend(settings.backend)
    load_backend(choice.name)
    structlog.get_logger("orpheus_tts").info("backend chosen", backend=choice.name, because=choice.reason)
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
        observers=(AccessLog(log_text=settings.log_text),),
        metrics=PrometheusMetrics() if settings.metrics else None,
        open_metrics=settings.open_metrics,
    )
    # Workers must not choose again: what the log said holds.
    return run_server(options, partial(_worker_synthesizer, settings.model_copy(update={"backend": choice.name})))


def _worker_synthesizer(settings: Settings, _device: str) -> Synthesizer:
    """Made in each worker, a new interpreter. The engines choose their devices themselves."""
    configure_logging(settings.log_level, settings.log_format, log_text=settings.log_text)
    backend, observer = _backend(settings), LoggingObserver()
    if not settings.metrics:
        return _synthesizer(settings, backend, observer)
    from orpheus_tts.adapters.prometheus import (  # noqa: PLC0415 - programs that embed this package need none
        PrometheusObserver,
        measure_batches,
        measured_generator,
    )

    measure_batches(backend.decoder)
    measured = replace(backend, generator=measured_generator(backend.generator))
    return _synthesizer(settings, measured, Observers(observer, PrometheusObserver()))


def _backend(settings: Settings) -> Backend:
    executor = ThreadPoolExecutor(settings.max_workers, thread_name_prefix="orpheus")
    return load_backend(choose_backend(settings.backend).name)(settings, executor)


def _synthesizer(settings: Settings, backend: Backend, observer: Observer) -> Synthesizer:
    return Synthesizer(backend.generator, backend.decoder, observer=observer, policy=policy(settings))
