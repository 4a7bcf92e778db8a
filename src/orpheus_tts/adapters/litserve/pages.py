"""The page at /ui and the documentation at /docs: files of this package and of Swagger UI, from nowhere else."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, FastAPI, Request, Response

_PAGE = files("orpheus_tts.adapters.litserve") / "page"
# Swagger UI as npm has it, in the version that the package's own version follows.
_SWAGGER_UI = files("fastapi_swagger.resources")
_MODULES = ("api", "events", "page", "player", "samples", "script", "speaking")
_FILES: dict[str, Traversable] = {
    "/ui": _PAGE / "index.html",
    "/ui/icon.svg": _PAGE / "icon.svg",
    "/ui/page.css": _PAGE / "page.css",
    **{f"/ui/{module}.js": _PAGE / f"{module}.js" for module in _MODULES},
    "/docs": _PAGE / "docs.html",
    "/docs/docs.js": _PAGE / "docs.js",
    "/docs/swagger-ui.css": _SWAGGER_UI / "swagger-ui.css",
    "/docs/swagger-ui-bundle.js": _SWAGGER_UI / "swagger-ui-bundle.js",
}
PAGE_PATHS = frozenset(_FILES)
"""Every path that is answered with a file. They tell nothing of anybody."""

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI sets styles, draws its icons and plays answers in these ways.
_DOCS_POLICY = _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "img-src 'self'", "img-src 'self' data:; media-src blob:"
)
# The framework's own, which load their scripts from elsewhere.
_REPLACED = frozenset({"/docs", "/docs/oauth2-redirect", "/redoc"})


@dataclass(frozen=True, slots=True)
class _File:
    """What one path is answered with; clients ask again each time, and hear whether it has changed."""

    body: bytes
    headers: dict[str, str]

    @classmethod
    def read(cls, path: str, source: Traversable) -> "_File":
        body = source.read_bytes()
        headers = {
            "content-type": _MEDIA_TYPES[source.name.rpartition(".")[2]],
            "content-security-policy": _DOCS_POLICY if path.startswith("/docs") else _POLICY,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-cache",
            "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        }
        return cls(body, headers)

    def endpoint(self) -> Callable[[Request], Awaitable[Response]]:
        """What answers GET."""

        async def answer(request: Request) -> Response:
            known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
            if self.headers["etag"] in known:
                return Response(status_code=304, headers=self.headers)
            return Response(self.body, headers=self.headers)

        return answer


def install_pages(app: FastAPI) -> None:
    """Answer the paths of the pages with their files, outside the API's description.

    Raises:
        OSError: A file is missing; the package is not whole.
    """
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) not in _REPLACED]
    router = APIRouter(include_in_schema=False)
    for path, source in _FILES.items():
        router.add_api_route(path, _File.read(path, source).endpoint(), response_class=Response)
    app.include_router(router)
