"""Every error as OpenAI's clients expect it: which status, and `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from orpheus_tts.adapters.litserve.admission import KeyLimitError, OverloadedError
from orpheus_tts.adapters.litserve.wire import (
    ChannelError,
    Failure,
    SpeechFailureError,
    WorkerLostError,
    WorkerUnavailableError,
)
from orpheus_tts.domain.errors import InvalidRequestError, OrpheusError

_LOADING_RETRY_SECONDS = 5
_LOST_RETRY_SECONDS = 2
_INVALID = "invalid_request_error"
_SERVER = "server_error"
_RATE = "rate_limit_error"
_SHOWN_INPUT_CHARACTERS = 60
_SHOWN_PATH_CHARACTERS = 80


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str = Field(description="For people.")
    type: str = Field(
        description="`invalid_request_error`: do not try again. `server_error`, `rate_limit_error`: do, later."
    )
    param: str | None = Field(description="The offending field of the request, if there is one.")
    code: str | None = Field(description="Stable reason for programs.")


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


class ModelNotFoundError(OrpheusError):
    """A model was asked for that is not served here."""

    def __init__(self, model: str, served: Sequence[str]) -> None:
        super().__init__(f"The model {model[:80]!r} does not exist here. This server has: {', '.join(served)}.")


@dataclass(frozen=True, slots=True)
class Answer:
    """An error as an HTTP answer, apart from its body's form."""

    status: int
    message: str
    type: str = _SERVER
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def detail(self) -> dict[str, Any]:
        """The error in OpenAI's form, as JSON values."""
        return ErrorDetail(message=self.message, type=self.type, param=self.param, code=self.code).model_dump()

    def response(self) -> JSONResponse:
        """The answer with the error as its body."""
        return JSONResponse({"error": self.detail()}, self.status, dict(self.headers))


def _unavailable(message: str, code: str, retry_seconds: int) -> Answer:
    headers = {"retry-after": str(retry_seconds)}
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, message, code=code, headers=headers)


UNAUTHORIZED = Answer(
    HTTPStatus.UNAUTHORIZED,
    "No valid API key was given. Send one of this server's keys (TTS_API_KEYS) as `Authorization: Bearer KEY` or "
    "`X-API-Key: KEY`.",
    _INVALID,
    code="invalid_api_key",
    headers={"www-authenticate": "Bearer"},
)
INTERNAL_ERROR = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed to answer this.", code="internal_error")
SHUTTING_DOWN = _unavailable("The server is shutting down.", "shutting_down", _LOADING_RETRY_SECONDS)
_CLOSE: Mapping[str, str] = {"connection": "close"}
HEAD_TIMEOUT = Answer(
    HTTPStatus.REQUEST_TIMEOUT, "The headers took too long to arrive.", _INVALID, code="request_timeout", headers=_CLOSE
)
HEAD_TOO_LARGE = Answer(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The headers are larger or more than this server takes.",
    _INVALID,
    code="headers_too_large",
    headers=_CLOSE,
)
BUSY_CONNECTIONS = Answer(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The server has as many connections as it can hold.",
    code="server_overloaded",
    headers={**_CLOSE, "retry-after": str(_LOADING_RETRY_SECONDS)},
)

# OpenAI's clients would otherwise try two more times.
_NO_RETRY: Mapping[str, str] = {"x-should-retry": "false"}

_ENGINE_GONE = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "engine_unavailable",
    {"retry-after": str(_LOADING_RETRY_SECONDS)},
)

# By the name of the domain's error. After the deadline the same text would take as long again; speech that failed was
# tried by the server itself, as often as the operator allows.
_FAILURES: Mapping[str, tuple[int, str, Mapping[str, str]]] = {
    "InvalidRequestError": (HTTPStatus.BAD_REQUEST, "invalid_value", {}),
    "DeadlineExceededError": (HTTPStatus.GATEWAY_TIMEOUT, "deadline_exceeded", _NO_RETRY),
    "SpeechFailedError": (HTTPStatus.INTERNAL_SERVER_ERROR, "speech_failed", _NO_RETRY),
    "EngineDeadError": _ENGINE_GONE,
    "DecoderStalledError": _ENGINE_GONE,
    "EngineError": (HTTPStatus.INTERNAL_SERVER_ERROR, "engine_error", {}),
    "DecoderError": (HTTPStatus.INTERNAL_SERVER_ERROR, "decoder_error", {}),
    "OrpheusError": (HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", {}),
}


def install_error_handlers(app: FastAPI) -> None:
    """Make an application answer every expected error in OpenAI's form."""
    app.add_exception_handler(RequestValidationError, _respond)
    app.add_exception_handler(HTTPException, _respond)
    app.add_exception_handler(OrpheusError, _respond)


async def _respond(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException):
        return _of_http(error, request.method, request.url.path).response()
    return answer_to(error).response()


def answer_to(error: Exception) -> Answer:
    """The answer to a request that ended in this error."""
    answer = INTERNAL_ERROR
    match error:
        case RequestValidationError():
            answer = _of_validation(error.errors())
        case SpeechFailureError():
            answer = _of_failure(error.failure)
        case ModelNotFoundError():
            answer = Answer(HTTPStatus.NOT_FOUND, str(error), _INVALID, "model", "model_not_found")
        case WorkerUnavailableError():
            answer = _unavailable(str(error), "loading", _LOADING_RETRY_SECONDS)
        case WorkerLostError():
            answer = _unavailable(str(error), "engine_unavailable", _LOST_RETRY_SECONDS)
        case OverloadedError():
            answer = _unavailable(str(error), "server_overloaded", error.retry_seconds)
        case KeyLimitError():
            headers = {"retry-after": str(error.retry_seconds)}
            answer = Answer(
                HTTPStatus.TOO_MANY_REQUESTS, str(error), _RATE, code="rate_limit_exceeded", headers=headers
            )
        case OrpheusError() if not isinstance(error, ChannelError):
            answer = _of_failure(Failure.of(error))
    return answer


def _of_failure(failure: Failure) -> Answer:
    known = next((kind for kind in failure.kinds if kind in _FAILURES), None)
    if known is None:
        return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, failure.message, code="internal_error")
    status, code, headers = _FAILURES[known]
    kind = _INVALID if known == InvalidRequestError.__name__ else _SERVER
    return Answer(status, failure.message, kind, failure.field, failure.code or code, headers)


def _of_http(error: HTTPException, method: str, path: str) -> Answer:
    """Errors that the framework itself raises."""
    path = path[:_SHOWN_PATH_CHARACTERS]
    reasons = {
        HTTPStatus.NOT_FOUND: ("unknown_url", f"Unknown request URL: {method} {path}. GET / lists the endpoints."),
        HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", f"{method} is not allowed on {path}."),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
            "request_too_large",
            "The request body is larger than this server takes.",
        ),
        HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", "The request body took too long to arrive."),
        HTTPStatus.BAD_REQUEST: ("invalid_json", "The request body could not be read as JSON."),
    }
    code, message = reasons.get(HTTPStatus(error.status_code), (None, str(error.detail)))
    kind = _SERVER if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else _INVALID
    return Answer(error.status_code, message, kind, code=code, headers=error.headers or {})


def _of_validation(errors: Sequence[Any]) -> Answer:
    """The first thing wrong with a body. `errors`: pydantic's, of a body that failed its model."""
    error = errors[0]
    path = [str(part) for part in error["loc"][1:]]
    if error["type"] == "json_invalid":
        reason = error.get("ctx", {}).get("error", "")
        return Answer(HTTPStatus.BAD_REQUEST, f"The request body is not JSON: {reason}.", _INVALID, code="invalid_json")
    if not path:
        message = "The request body must be a JSON object, sent with the header Content-Type: application/json."
        return Answer(HTTPStatus.BAD_REQUEST, message, _INVALID, code="invalid_body")
    param = path[0]
    if error["type"] == "missing":
        message = f"Missing required parameter: {param!r}."
        return Answer(HTTPStatus.BAD_REQUEST, message, _INVALID, param, "missing_parameter")
    reason = error["msg"][0].lower() + error["msg"][1:]
    message = f"Invalid {param!r}: {reason}, not {_shown(error['input'])}."
    return Answer(HTTPStatus.BAD_REQUEST, message, _INVALID, param, "invalid_value")


def _shown(value: object) -> str:
    """A wrong value, in few characters."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_INPUT_CHARACTERS else f"{shown[:_SHOWN_INPUT_CHARACTERS]}..."
