"""The LitSpec of OpenAI's speech API: its routes, as a FastAPI router.

A router of our own, not `LitSpec.add_endpoint`, so that /docs and /openapi.json tell the truth about media types and
errors. No `from __future__ import annotations` here: FastAPI reads the annotations of functions made inside others.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response, Security
from fastapi.params import Depends
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from litserve.specs.base import LitSpec
from pydantic import BaseModel

from orpheus_tts.adapters.litserve.admission import Admission
from orpheus_tts.adapters.litserve.body import SpeechBody, understand
from orpheus_tts.adapters.litserve.encoding import SpeechTrack, encoded
from orpheus_tts.adapters.litserve.errors import ErrorBody, ModelNotFoundError
from orpheus_tts.adapters.litserve.framing import EVENTS_DESCRIPTION, EVENTS_MEDIA_TYPE
from orpheus_tts.adapters.litserve.options import ServeOptions
from orpheus_tts.adapters.litserve.pool import WorkerPool
from orpheus_tts.adapters.litserve.response import SpeechResponse
from orpheus_tts.adapters.litserve.wire import Account, request_to_json
from orpheus_tts.domain.voices import VOICES, aliases_of
from orpheus_tts.ports import ServerMetrics
from orpheus_tts.ports.observer import SpeechStages
from orpheus_tts.ports.server_observer import StreamMode

NAME = "Orpheus TTS"
VERSION = version("orpheus-tts")
SPEECH_PATH = "/v1/audio/speech"
_ENDPOINTS = (
    f"POST {SPEECH_PATH}",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /v1/audio/voices",
    "GET /v1/audio/models",
    "GET /health",
    "GET /livez",
    "GET /ui",
    "GET /docs",
    "GET /openapi.json",
)
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request is wrong; `param` says where."},
    404: {"model": ErrorBody, "description": "No such model."},
    408: {"model": ErrorBody, "description": "The body took too long to arrive."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    429: {"model": ErrorBody, "description": "Too many requests with this API key at a time; see Retry-After."},
    500: {"model": ErrorBody, "description": "The speech failed before its first audio."},
    503: {"model": ErrorBody, "description": "Overloaded, the model loads, or its engine is gone; see Retry-After."},
    504: {"model": ErrorBody, "description": "The deadline passed before the first audio."},
    "default": {"model": ErrorBody, "description": "Any other error."},
}
# OpenAPI 3.2's word for one event of a stream, which tools for 3.1 know too.
_EVENT_SCHEMA = {
    "type": "object",
    "properties": {"data": {"type": "string", "description": "A JSON object with a `type`; at the end `[DONE]`."}},
    "required": ["data"],
}
_UNAUTHORIZED: dict[int | str, dict[str, Any]] = {401: {"model": ErrorBody, "description": "No valid API key."}}


class HealthReport(BaseModel):
    """How the server is. `status` is `ok`, `loading` or `unhealthy`; `timestamp` is ISO 8601, UTC."""

    status: str
    model_loaded: bool
    timestamp: str


class LifeReport(BaseModel):
    """Whether the server is alive. `status` is `ok` or `failing`; `timestamp` is ISO 8601, UTC."""

    status: str
    timestamp: str


class SpeechSpec(LitSpec):  # type: ignore[misc]  # LitServe has no types
    """OpenAI's speech API."""

    def __init__(self, options: ServeOptions) -> None:
        """Speak for a server with these options."""
        super().__init__()
        self.api_path = SPEECH_PATH
        self._options = options

    def __getstate__(self) -> dict[str, Any]:
        """What goes to a worker, for LitServe's sake: the routes, and with them the codecs, stay here."""
        return {**self.__dict__, "_options": None}

    @property
    def stream(self) -> bool:
        """Answers are streamed."""
        return True

    def setup(self, server: object) -> None:
        """Nothing to connect: the routes reach the workers through their pool, not through LitServe's queues."""

    def router(self, pool: WorkerPool, admission: Admission) -> APIRouter:
        """All routes, OpenAI's ones both below /v1 and without it.

        Args:
            pool: The workers, with whose help they are answered.
            admission: Says how much speech is taken on.
        """
        options = self._options
        speech, catalogue, router = APIRouter(), APIRouter(), APIRouter()
        add_speech(speech, options, pool, admission)
        add_catalogue(catalogue, options)
        add_status(router, options, pool)
        if options.metrics is not None:
            add_metrics(router, options.metrics)
        closed: dict[str, Any] = {"dependencies": _schemes(), "responses": _UNAUTHORIZED} if options.api_keys else {}
        router.include_router(speech, prefix="/v1", **closed)
        router.include_router(catalogue, prefix="/v1", **({} if options.open_listings else closed))
        router.include_router(speech, include_in_schema=False)
        router.include_router(catalogue, include_in_schema=False)
        return router


def _schemes() -> list[Depends]:
    """How a key may be sent, for /openapi.json; what is sent has been checked by then, by `KeyMiddleware`."""
    bearer = HTTPBearer(auto_error=False, description="One of the server's keys, as OpenAI's clients send it.")
    header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, in a header of its own.")
    return [Security(bearer), Security(header)]


def add_speech(router: APIRouter, options: ServeOptions, pool: WorkerPool, admission: Admission) -> None:
    """The route that speaks."""
    media_types = [output.media_type for output in options.formats.values()]
    audio: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The speech. If it fails half-way, the connection breaks without the final chunk; among "
            "events, one with the key `error` is the last.",
            "content": {
                **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types},
                EVENTS_MEDIA_TYPE: {"itemSchema": _EVENT_SCHEMA},
            },
        }
    }

    @router.post(
        "/audio/speech",
        response_class=Response,
        responses=audio | _ERRORS,
        description=f"Turn text into speech.\n\n{EVENTS_DESCRIPTION}",
        tags=["speech"],
    )
    async def create_speech(body: SpeechBody, request: Request) -> Response:
        """Turn text into speech."""
        order = understand(body, options, request_id=request.state.request_id)
        framing = order.framing()
        ticket = admission.ticket(characters=len(order.request.text), key=getattr(request.state, "key", None))
        traced = replace(order.request, traceparent=options.traceparent(order.request.request_id))
        exchange = request.state.exchange

        def tell(account: Account) -> None:
            if isinstance(account, SpeechStages):
                exchange.came(account)
            else:
                framing.take_usage(account)

        blocks = ticket.noting(pool.speak(request_to_json(traced), tell))
        track = SpeechTrack(order.output, options.make_tempo(order.speed), complete=not order.stream)
        exchange.ordered(order.request, *_manner(body, options), track)
        timestamps = order.timestamps(order.speed)
        pieces = encoded(blocks, track, timestamps, in_thread=order.output.compresses or order.speed != 1)
        return SpeechResponse(
            pieces,
            order.output.media_type,
            framing,
            ticket,
            stream=order.stream,
            request_id=order.request.request_id,
            deadline=order.request.deadline,
        )


def _manner(body: SpeechBody, options: ServeOptions) -> tuple[str, StreamMode]:
    """The format, and how it is sent, of a body that was understood."""
    mode: StreamMode = "file" if body.stream is False else "sse" if body.stream_format == "sse" else "audio"
    return body.response_format or options.default_format, mode


def add_catalogue(router: APIRouter, options: ServeOptions) -> None:
    """The routes that say what there is to ask for."""
    created = int(time.time())

    def model(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": created, "owned_by": "orpheus-tts"}

    models = {"object": "list", "data": [model(name) for name in options.model_ids]}
    # Open WebUI asks for its models here, and reads `models[i].id`.
    audio_models = {"object": "list", "models": [{**model(name), "name": name} for name in options.model_ids]}
    voices = {
        "object": "list",
        "voices": [
            {
                "id": voice.name,
                "name": voice.name,
                "object": "audio.voice",
                "language": voice.language,
                "description": voice.description,
                "aliases": aliases_of(voice, options.voice_aliases),
            }
            for voice in VOICES.values()
        ],
    }

    @router.get("/models", tags=["catalogue"])
    async def list_models() -> dict[str, Any]:
        """The model's id, and the other ids it answers to."""
        return models

    @router.get(
        "/models/{model_id:path}", responses={key: _ERRORS[key] for key in (404, "default")}, tags=["catalogue"]
    )
    async def get_model(model_id: str) -> dict[str, Any]:
        """One model."""
        if model_id not in options.model_ids:
            raise ModelNotFoundError(model_id, options.model_ids)
        return model(model_id)

    @router.get("/audio/models", tags=["catalogue"])
    async def list_audio_models() -> dict[str, Any]:
        """The same, as some front ends ask for it."""
        return audio_models

    @router.get("/audio/voices", tags=["catalogue"])
    async def list_voices() -> dict[str, Any]:
        """All voices, and OpenAI's names for them."""
        return voices


def add_status(router: APIRouter, options: ServeOptions, pool: WorkerPool) -> None:
    """The routes that say what this is and how it is."""

    @router.get("/", tags=["status"])
    async def index() -> dict[str, Any]:
        """What this server is."""
        return {
            "name": NAME,
            "version": VERSION,
            "backend": options.backend,
            "model": options.model,
            "voice": options.voice,
            "response_format": options.default_format,
            "max_input_characters": options.max_input_characters,
            "endpoints": [*_ENDPOINTS, *(["GET /metrics"] if options.metrics is not None else [])],
            "ui": "/ui",
            "docs": "/docs",
        }

    @router.get(
        "/health",
        response_model=HealthReport,
        responses={503: {"model": HealthReport, "description": "It cannot speak now."}},
        tags=["status"],
    )
    async def health() -> JSONResponse:
        """Whether this server can speak: 200 if so, else 503."""
        workers = await pool.health()
        report = HealthReport(
            status=workers.status, model_loaded=workers.up > 0, timestamp=datetime.now(UTC).isoformat()
        )
        status = HTTPStatus.OK if workers.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(report.model_dump(), status)

    @router.get(
        "/livez",
        response_model=LifeReport,
        responses={503: {"model": LifeReport, "description": "It is beyond recovery: restart it."}},
        tags=["status"],
    )
    async def livez() -> JSONResponse:
        """Whether this server lives: 200 also while it cannot speak but may recover, 503 if only a restart can help."""
        failing = pool.failing
        report = LifeReport(status="failing" if failing else "ok", timestamp=datetime.now(UTC).isoformat())
        return JSONResponse(report.model_dump(), HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK)


def add_metrics(router: APIRouter, metrics: ServerMetrics) -> None:
    """The route for whoever watches the server."""

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        tags=["status"],
    )
    async def show_metrics(request: Request) -> Response:
        """Figures for Prometheus, of all processes together; in OpenMetrics' form if `Accept` asks for that."""
        body, content_type = await asyncio.to_thread(metrics.exposition, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})
