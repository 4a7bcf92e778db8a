"""The LitServer: binds the port and starts, watches and ends the processes. Imports nothing heavy.

    main ── HTTP process(es)     forked; SpeechSpec's routes
     └───── inference worker(s)  spawned; SpeechLoop around SpeechAPI

LitServe's manager process and its queues are not used: the processes talk over `channel`.
"""

import asyncio
import logging
import math
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import litserve
import litserve.server
import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from orpheus_tts.adapters.litserve.admission import Admission
from orpheus_tts.adapters.litserve.api import SpeechAPI
from orpheus_tts.adapters.litserve.connections import ConnectionLimits, LimitedProtocol, affordable_connections
from orpheus_tts.adapters.litserve.errors import install_error_handlers
from orpheus_tts.adapters.litserve.keys import KeyMiddleware
from orpheus_tts.adapters.litserve.lifecycle import (
    StopRequest,
    end,
    interrupts_blocked,
    leave_start_up_alone,
    stop_on_signals,
    when_orphaned,
)
from orpheus_tts.adapters.litserve.limits import BodyLimitMiddleware
from orpheus_tts.adapters.litserve.loop import SpeechLoop, failing_path, socket_path
from orpheus_tts.adapters.litserve.middleware import HeadMiddleware, RequestMiddleware
from orpheus_tts.adapters.litserve.options import MakeSynthesizer, ServeOptions
from orpheus_tts.adapters.litserve.pages import install_pages
from orpheus_tts.adapters.litserve.pool import WorkerPool
from orpheus_tts.adapters.litserve.spec import NAME, VERSION, SpeechSpec
from orpheus_tts.adapters.litserve.supervisor import Supervisor, Worker
from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.ports.server_observer import WorkerRestarted

# A million characters of any script in UTF-8, or of most scripts as JSON escapes.
_MAX_BODY_BYTES = 8 * 1024 * 1024
# What a worker without requests needs to close its engine, and a margin.
_WORKER_END_SECONDS = 15.0
# What uvicorn needs beyond the graceful time-out.
_HTTP_END_MARGIN_SECONDS = 2.0
# Idle connections are kept for longer than clients and proxies keep theirs, so that none asks on one that is just being
# closed: OpenAI's clients give them up after 5 s, load balancers after a minute. uvicorn's own limit is 5 s as well.
_KEEP_ALIVE_SECONDS = 75
# sun_path holds 104 bytes on macOS, 108 on Linux; the file name takes up to 10.
_MAX_RUN_DIRECTORY_BYTES = 90

_log = structlog.get_logger(__name__)


class SpeechServer(litserve.LitServer):  # type: ignore[misc]  # LitServe has no types
    """A LitServer that speaks OpenAI's speech API. Use `run_server`."""

    def __init__(self, options: ServeOptions, make_synthesizer: MakeSynthesizer, run_directory: Path) -> None:
        """Prepare; nothing is started or bound."""
        self._options = options
        self._run_directory = run_directory
        self._exit_code = 0
        self._stop = StopRequest()
        self._http: list[BaseProcess] = []
        # With the package mcp 2.x, which vLLM requires, LitServe 0.2.19 fails at start. It is not needed here.
        litserve.server._MCP_AVAILABLE = False  # noqa: SLF001
        spec = SpeechSpec(options)
        self._admission = Admission(
            options.admission_limits, processes=options.http_processes, keys=len(options.api_keys)
        )
        self._launched: set[int] = set()
        api = SpeechAPI(
            make_synthesizer,
            run_directory=run_directory,
            graceful_timeout=options.graceful_timeout,
            metrics=options.metrics,
            spec=spec,
            loop=SpeechLoop(),
        )
        super().__init__(
            api,
            accelerator=options.accelerator,
            devices=options.devices,
            workers_per_device=options.workers_per_device,
            timeout=False,
            middlewares=_middlewares(options),
        )
        if not self.devices:
            raise BackendUnavailableError(f"There is no {options.accelerator} device here to run on.")
        self.uvicorn_graceful_timeout = max(1, round(options.graceful_timeout))
        self._supervisor = Supervisor(
            self._launch,
            self._worker_count,
            give_up=self._give_up,
            tell_failing=self._tell_failing,
            worker_timeout=options.worker_timeout or math.inf,
        )

    def serve(self) -> int:
        """Serve until SIGTERM, SIGINT or a failure that leaves nothing to serve; the exit code."""
        with stop_on_signals(self._stop):
            try:
                self.run(
                    host=self._options.host,
                    port=self._options.port,
                    num_api_servers=self._options.http_processes,
                    # At info, uvicorn and LitServe tell of things that are none of the operator's business.
                    log_level="warning" if self._options.log_level == "info" else self._options.log_level,
                    generate_client_file=False,
                    http=partial(LimitedProtocol, limits=_connection_limits(self._options)),
                    ws="none",
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                    log_config=None,
                    access_log=False,
                )
            finally:
                self._end_children()
        return self._exit_code

    # What follows replaces LitServe's own, by the same names.

    def register_endpoints(self) -> None:
        """Only our routes: none of LitServe's."""
        sockets = [socket_path(self._run_directory, worker) for worker in range(self._worker_count)]
        self.app.title, self.app.version = NAME, VERSION
        self.app.description = "OpenAI-compatible text-to-speech with the Orpheus model."
        install_error_handlers(self.app)
        install_pages(self.app)
        pool = WorkerPool(sockets, failing_path(self._run_directory))
        self.app.include_router(self.lit_api.spec.router(pool, self._admission))

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncGenerator[None, None]:
        """In an HTTP process: take part in admission, metrics and traces; end when the main process is gone."""
        number: int = app.response_queue_id  # type: ignore[attr-defined]  # LitServe's
        self._admission.join(number)
        if self._options.metrics is not None:
            self._options.metrics.join(f"http-{number}")
        if self._options.tracer is not None:
            self._options.tracer.join(f"http-{number}")
        when_orphaned(lambda: os.kill(os.getpid(), signal.SIGTERM))
        leave_start_up_alone()
        yield
        if self._options.tracer is not None:
            await asyncio.to_thread(self._options.tracer.leave)

    def launch_inference_worker(self, lit_api: SpeechAPI) -> list[BaseProcess]:  # noqa: ARG002 - there is one API only
        """Start all workers."""
        self._supervisor.start_workers()
        return self._supervisor.processes

    def verify_worker_status(self) -> None:
        """HTTP is up while the model loads; /health says so."""

    def _init_manager(self, _num_api_servers: int) -> None:
        """No manager process and no queues: what LitServe would keep there is a dictionary nobody reads."""
        _log_like_everyone()
        self.workers_setup_status: dict[str, str] = {}
        self._transport = None
        self.litapi_request_queues = {self.lit_api.api_path: None}
        self._shutdown_event = self._stop

    def _start_server(
        self,
        port: int,
        num_uvicorn_servers: int,
        log_level: str,
        sockets: list[socket.socket],
        *options: Any,
        **uvicorn_options: Any,
    ) -> dict[int, BaseProcess]:
        with interrupts_blocked():  # to uvicorn SIGINT after SIGTERM means to drop everything, with tracebacks
            processes: dict[int, BaseProcess] = super()._start_server(
                port, num_uvicorn_servers, log_level, sockets, *options, **uvicorn_options
            )
        # Held open here as well, they would take connections that nobody answers while the HTTP processes end.
        for listener in sockets:
            listener.close()
        return processes

    def _start_worker_monitoring(self, _manager: None, uvicorn_workers: Mapping[int, BaseProcess]) -> None:
        self._http = list(uvicorn_workers.values())
        self._supervisor.watch(self._http)
        _log.info("listening", url=_url(self._options), model=self._options.model, backend=self._options.backend)

    def _perform_graceful_shutdown(
        self, _manager: None, uvicorn_workers: Mapping[int, BaseProcess], _reason: str = "normal"
    ) -> None:
        self._http = list(uvicorn_workers.values())
        self._end_children()

    # Ours.

    @property
    def _worker_count(self) -> int:
        return len(self.devices) * self._options.workers_per_device

    def _launch(self, number: int) -> Worker:
        """Start one worker."""
        if number in self._launched:
            for observer in self._options.all_observers:
                observer.observe(WorkerRestarted(worker=number))
        self._launched.add(number)
        socket_path(self._run_directory, number).unlink(missing_ok=True)
        reports, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
        with closing(writer), interrupts_blocked():
            self.lit_api.reports, self.lit_api.number = writer, number
            process: BaseProcess = self.launch_single_inference_worker(self.lit_api, number)
        return Worker(process, reports)

    def _give_up(self, sentence: str) -> None:
        self._exit_code = 1
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - what the operator has to read, whatever the log does
        self._stop.set()

    def _tell_failing(self, failing: bool) -> None:
        """Let the HTTP processes know, for /livez."""
        mark = failing_path(self._run_directory)
        if failing:
            _log.error("no worker starts any more; trying on")
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    def _end_children(self) -> None:
        """End the HTTP processes, which let their answers finish, then the workers. May be called twice."""
        self._supervisor.close()
        graceful = self.uvicorn_graceful_timeout + _HTTP_END_MARGIN_SECONDS
        killed = end(self._http, seconds=graceful) + end(self._supervisor.processes, seconds=_WORKER_END_SECONDS)
        if killed:
            _log.warning("processes had to be killed", pids=[process.pid for process in killed])


def run_server(options: ServeOptions, make_synthesizer: MakeSynthesizer) -> int:
    """Serve until SIGTERM or SIGINT. To be called on the main thread of a process that has no other threads.

    Args:
        options: How to serve.
        make_synthesizer: Pickled into each worker and called there.

    Returns:
        The exit code: 0 after a signal, 1 when the port is taken, the first start of a worker failed, or HTTP broke.
        The reason is on standard error, in one sentence.
    """
    problem = _port_problem(options)
    if problem is not None:
        print(problem, file=sys.stderr, flush=True)  # noqa: T201 - as above
        return 1
    run_directory = _make_run_directory()
    if options.metrics is not None:
        (figures := run_directory / "metrics").mkdir()
        options.metrics.open(figures)
        options.metrics.join("main")
    try:
        return SpeechServer(options, make_synthesizer, run_directory).serve()
    except BackendUnavailableError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - as above
        return 1
    finally:
        shutil.rmtree(run_directory, ignore_errors=True)


def _middlewares(options: ServeOptions) -> list[tuple[type, dict[str, Any]]]:
    """What wraps the routes, as LitServe takes it: the innermost first."""
    keys = {
        "keys": options.api_keys,
        "open_listings": options.open_listings,
        "open_metrics": options.open_metrics,
    }
    # Preflight requests, which carry no key, end here; every other answer, errors included, gets its headers here.
    cors = {
        "allow_origins": options.cors_origins,
        "allow_methods": ("GET", "HEAD", "POST"),
        "allow_headers": ("*",),
        "expose_headers": ("x-request-id", "x-should-retry", "retry-after", "server-timing"),
    }
    return [
        *([(KeyMiddleware, keys)] if options.api_keys else []),
        (BodyLimitMiddleware, {"max_bytes": _MAX_BODY_BYTES, "seconds": options.body_timeout}),
        (HeadMiddleware, {}),
        (RequestMiddleware, {"observers": options.all_observers}),
        *([(CORSMiddleware, cors)] if options.cors_origins else []),
    ]


def _connection_limits(options: ServeOptions) -> ConnectionLimits:
    return ConnectionLimits(
        head_seconds=options.header_timeout,
        write_seconds=options.write_timeout,
        connections=options.max_connections or affordable_connections(),
    )


def _port_problem(options: ServeOptions) -> str | None:
    """Why the port cannot be had, if so; asked first because uvicorn would answer in a log line of its own."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((options.host, options.port))
    except OSError as error:
        return f"The server cannot listen on {options.host} port {options.port}: {error.strerror}."
    return None


def _make_run_directory() -> Path:
    """A private folder (mode 0700) whose path leaves room for a socket's name."""
    path = Path(tempfile.mkdtemp(prefix="orpheus-tts-"))
    if len(os.fsencode(path)) <= _MAX_RUN_DIRECTORY_BYTES:
        return path
    path.rmdir()
    return Path(tempfile.mkdtemp(prefix="orpheus-tts-", dir="/tmp"))


def _url(options: ServeOptions) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{host}:{options.port}"


def _log_like_everyone() -> None:
    """Let LitServe's records go where all others go: it installs a handler and a form of its own."""
    logger = logging.getLogger("litserve")
    logger.handlers.clear()
    logger.propagate = True
