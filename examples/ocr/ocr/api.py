# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's HTTP side."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import anyio.to_thread
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ocr import __version__, logs
from ocr.errors import EX_CONFIG, CannotStartError, ServiceError
from ocr.metrics import CONTENT_TYPE
from ocr.model_set import open_model_set
from ocr.ports import Answer, Job
from ocr.reader import Reader
from ocr.service import Service
from ocr.settings import Settings, read_secret
from ocr.store import PostgresStore
from ocr.tasks import CeleryQueue
from ocr.uploads import picture_bytes

LOG = logging.getLogger(__name__)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"picture": {"type": "string", "format": "binary"}}}
            },
        },
    }
}


@dataclass(frozen=True)
class Accepted:
    """A job that was queued."""

    id: UUID
    status: str
    url: str


class Endpoints:
    """The handlers, as methods of one object that knows the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def read(self, request: Request) -> Answer:
        """Read the text in a picture."""
        content = await picture_bytes(request, max_bytes=self._service.settings.max_bytes)
        return await self._service.read(content)

    async def create_job(self, request: Request, response: Response) -> Accepted:
        """Queue a picture for a worker."""
        content = await picture_bytes(request, max_bytes=self._service.settings.max_bytes)
        job_id = await anyio.to_thread.run_sync(self._service.enqueue, content)
        response.headers["location"] = f"/v1/jobs/{job_id}"
        return Accepted(id=job_id, status="queued", url=f"/v1/jobs/{job_id}")

    def job(self, job_id: str) -> Job:
        """What became of a job."""
        try:
            number = UUID(job_id)
        except ValueError as exc:
            raise ServiceError("job_unknown", "A job's number is a UUID from POST /v1/jobs.", status=404) from exc
        return self._service.job(number)

    async def live(self) -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    def ready(self) -> Response:
        """The model reads right, and database and queue answer: requests can be served."""
        return self._health(detail=False)

    def health(self) -> Response:
        """The same with details."""
        return self._health(detail=True)

    def _health(self, *, detail: bool) -> Response:
        checks = self._service.checks()
        ready = all(value == "ok" for value in checks.values())
        body: dict[str, Any] = {"status": "ok" if ready else "not ready", "checks": checks}
        if detail:
            body |= {
                "version": __version__,
                "model": dataclasses.asdict(self._service.model),
                "warm_up_seconds": self._service.warm_up_seconds,
                "queue_length": self._service.queue_length(),
            }
        return JSONResponse(body, status_code=200 if ready else 503)

    def numbers(self) -> Response:
        """Metrics for Prometheus."""
        self._service.checks()
        self._service.metrics.queue_length.set(self._service.queue_length())
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE)


class Observed:
    """ASGI middleware: one log line and one count for each request, and a request id in each answer."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._metrics = service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        status, started = 500, time.perf_counter()

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(seconds)
            level = logging.DEBUG if route.startswith("/health") and status < 400 else logging.INFO
            LOG.log(
                level,
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "seconds": round(seconds, 4),
                },
            )


def create_app(service: Service) -> FastAPI:
    """The application around a service."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        getting_ready = threading.Thread(target=get_ready_or_exit, args=(service,), name="get-ready", daemon=True)
        getting_ready.start()
        try:
            yield
        finally:
            service.stop()

    async def refused(_request: Request, exc: Exception) -> Response:
        failure = exc if isinstance(exc, ServiceError) else unexpected(exc)
        service.metrics.refused.labels(failure.kind).inc()
        headers = {"retry-after": "1"} if failure.status == 503 else None
        return JSONResponse(failure.as_dict(), status_code=failure.status, headers=headers)

    endpoints = Endpoints(service)
    app = FastAPI(title="ocr", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_api_route("/v1/read", endpoints.read, methods=["POST"], openapi_extra=PICTURE_BODY)
    app.add_api_route("/v1/jobs", endpoints.create_job, methods=["POST"], status_code=202, openapi_extra=PICTURE_BODY)
    app.add_api_route("/v1/jobs/{job_id}", endpoints.job, methods=["GET"])
    app.add_api_route("/health", endpoints.health, methods=["GET"], response_model=None)
    app.add_api_route("/health/live", endpoints.live, methods=["GET"])
    app.add_api_route("/health/ready", endpoints.ready, methods=["GET"], response_model=None)
    app.add_api_route("/health/metrics", endpoints.numbers, methods=["GET"], response_model=None)
    for kind in (ServiceError, HTTPException, Exception):
        app.add_exception_handler(kind, refused)
    app.add_middleware(Observed, service=service)
    return app


def unexpected(exc: Exception) -> ServiceError:
    """An HTTP error of the framework, or a defect: the caller learns no internals."""
    if isinstance(exc, HTTPException):
        kinds = {404: "not_found", 405: "method_not_allowed"}
        return ServiceError(kinds.get(exc.status_code, "http_error"), f"{exc.detail}.", status=exc.status_code)
    return ServiceError("internal", "The service failed on this request; its log says why.", status=500)


def get_ready_or_exit(service: Service) -> None:
    """Get ready in the background; models that read wrong end the process."""
    try:
        service.get_ready()
    except CannotStartError as exc:
        LOG.critical("%s", exc)
        os._exit(EX_CONFIG)
    except Exception:
        LOG.critical("getting ready failed", exc_info=True)
        os._exit(1)


def main(settings: Settings) -> int:
    """Serve until told to stop. CannotStartError before anything listens when models or secrets are not right."""
    secrets = [read_secret(settings.database_password_file), read_secret(settings.queue_password_file)]
    logs.set_up("api", settings.log_level, secrets)
    model_set = open_model_set(settings.model_dir)
    LOG.info("the model set is what its manifest says", extra={"model": model_set.name, "version": model_set.version})
    reader = Reader(model_set, threads=settings.threads, detection_side=settings.detection_side)
    service = Service(settings, reader, PostgresStore(settings, connections=4), CeleryQueue(settings))
    uvicorn.run(
        create_app(service),
        host="0.0.0.0",  # noqa: S104 - inside a container: what is reachable is decided outside
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=25,
        timeout_keep_alive=30,
    )
    return 0
